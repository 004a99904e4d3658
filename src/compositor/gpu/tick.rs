//! One tick on the device: pictures are uploaded, all canvases' passes go into one submission, copies into the readback ring.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::device::{Device, PARAMS_STRIDE, Slab};
use super::gpu_data::{self, Blocks, HorizontalPlane, VerticalPlane};
use super::layout::PlaneLayout;
use super::readback::{Mapping, Ring};
use super::tables::{ScalingTables, Tables};
use super::way::Way;
use crate::compositor::colour::{self, Conversion};
use crate::compositor::pq;
use crate::compositor::uncovered::uncovered;
use crate::compositor::{Canvas, Deliver, Draw, Job};
use crate::frame::{Colour, Depth, Picture, Rect};

/// Words of idle storage buffers kept between ticks (one GiB).
const IDLE_WORDS: u64 = 1 << 28;

/// Draws ticks. Belongs to the drawing thread.
pub(super) struct Engine {
    pub device: Device,
    pub ring: Arc<Ring>,
    tables: Tables,
    idle: HashMap<u32, Vec<Slab>>,
    idle_words: u64,
    uploads: Vec<Upload>,
    params: (wgpu::Buffer, wgpu::BindGroup),
}

/// A picture on the device. The handle keeps its memory from being used for another picture, so identity is identity.
struct Upload {
    picture: Picture,
    layout: PlaneLayout,
    slab: Rc<Slab>,
    used: bool,
}

/// A canvas in the making.
struct Target {
    slab: Rc<Slab>,
    layout: PlaneLayout,
    colour: Colour,
}

/// What was submitted and is to be read back.
pub(super) struct Batch {
    pub submission: wgpu::SubmissionIndex,
    pub jobs: Vec<Pending>,
    pub mapped: Arc<Mapping>,
    /// Buffers that are to be mapped.
    pub buffers: usize,
}

/// A job whose pictures will be in these buffers.
pub(super) struct Pending {
    pub affinity: u64,
    pub colour: Colour,
    pub pictures: Vec<(wgpu::Buffer, PlaneLayout)>,
    pub deliver: Deliver,
}

#[derive(Clone, Copy)]
enum Shader {
    ScaleHorizontal,
    ScaleVertical,
    Convert,
    ConvertHdr,
    Fill,
}

/// One dispatch.
struct Step {
    /// Steps run by rising order; those of equal order do not depend on each other.
    order: usize,
    shader: Shader,
    params_at: usize,
    groups: Vec<wgpu::BindGroup>,
    workgroups: (u32, u32, u32),
}

/// Order of the passes. A canvas's draws follow each other; different canvases' go side by side.
const FILL: usize = 0;
const HORIZONTAL: usize = 1;
const DRAWS: usize = 2;
const SMALLER: usize = usize::MAX - 1;

/// The tick under construction.
#[derive(Default)]
struct Plan {
    steps: Vec<Step>,
    params: Vec<u8>,
    /// Buffers to hand back once the submission is recorded: the queue keeps the order.
    taken: Vec<Rc<Slab>>,
    /// Horizontally scaled pictures, by upload and size.
    middles: HashMap<(usize, (u32, u32)), Middle>,
    copies: Vec<(Rc<Slab>, wgpu::Buffer, u32)>,
}

#[derive(Clone)]
struct Middle {
    slab: Rc<Slab>,
    tables: Rc<ScalingTables>,
    layout: MiddleLayout,
}

/// Where the planes lie between the passes, in words of one pair.
#[derive(Clone, Copy)]
struct MiddleLayout {
    offsets: [u32; 3],
    strides: [u32; 3],
    pairs: [u32; 3],
    words: u32,
}

impl MiddleLayout {
    fn new(source: &PlaneLayout, width: u32) -> Self {
        let mut made = Self { offsets: [0; 3], strides: [0; 3], pairs: [0; 3], words: 0 };
        for plane in 0..3 {
            made.offsets[plane] = made.words;
            made.strides[plane] = if plane == 0 { width } else { width / 2 };
            made.pairs[plane] = source.rows(plane).div_ceil(2);
            made.words += made.strides[plane] * made.pairs[plane];
        }
        made
    }
}

impl Engine {
    pub(super) fn new(device: Device) -> Self {
        let tables = Tables::new(&device);
        let params = device.params(64 * PARAMS_STRIDE);
        let ring = Arc::default();
        Self { device, ring, tables, idle: HashMap::new(), idle_words: 0, uploads: Vec::new(), params }
    }

    /// Uploads, records and submits a tick. Jobs for which there is no readback buffer are lost, which is logged. Without
    /// `read_back` everything is drawn and nothing copied.
    pub(super) fn draw(&mut self, jobs: Vec<Job>, read_back: bool) -> Batch {
        let mut plan = Plan::default();
        let mut pending = Vec::with_capacity(jobs.len());
        for job in jobs {
            let Some(buffers) = self.ring_buffers(&job, read_back) else {
                tracing::warn!(affinity = job.affinity, "readers hold too many canvases; one is dropped");
                continue;
            };
            let pictures = self.plan_job(&mut plan, &job, buffers);
            let Job { affinity, colour, deliver, .. } = job;
            pending.push(Pending { affinity, colour, pictures, deliver });
        }
        let submission = self.submit(&mut plan);
        let (mapped, buffers) = (Arc::new(Mapping::default()), plan.copies.len());
        for (_, buffer, _) in plan.copies.drain(..) {
            let mapped = Arc::clone(&mapped);
            buffer.map_async(wgpu::MapMode::Read, .., move |outcome| mapped.note(outcome.is_ok()));
        }
        self.recycle(plan);
        Batch { submission, jobs: pending, mapped, buffers }
    }

    /// A readback buffer for the canvas and each further rendition, or none at all.
    fn ring_buffers(&self, job: &Job, read_back: bool) -> Option<Vec<wgpu::Buffer>> {
        if !read_back {
            return Some(Vec::new());
        }
        let sizes = std::iter::once((job.canvas.width, job.canvas.height)).chain(job.smaller.iter().copied());
        let mut buffers = Vec::new();
        for (width, height) in sizes {
            match self.ring.take(&self.device.device, PlaneLayout::new(width, height, job.colour.depth).words) {
                Some(buffer) => buffers.push(buffer),
                None => {
                    buffers.drain(..).for_each(|buffer| self.ring.give_back(buffer));
                    return None;
                }
            }
        }
        Some(buffers)
    }

    fn plan_job(&mut self, plan: &mut Plan, job: &Job, buffers: Vec<wgpu::Buffer>) -> Vec<(wgpu::Buffer, PlaneLayout)> {
        let depth = job.colour.depth;
        let layout = PlaneLayout::new(job.canvas.width, job.canvas.height, depth);
        let slab = self.plan_canvas(plan, &job.canvas, job.colour, &layout);
        let mut drawn = vec![(Rc::clone(&slab), layout)];
        for &(width, height) in &job.smaller {
            let small = PlaneLayout::new(width, height, depth);
            let target = self.take(plan, small.buffer_words());
            let middle = self.plan_horizontal(plan, &slab, &layout, (width, height), SMALLER);
            let rect = Rect { x: 0, y: 0, width, height };
            plan.vertical(&middle, &target, &small, rect, SMALLER + 1);
            drawn.push((target, small));
        }
        let mut pictures = Vec::with_capacity(buffers.len());
        for ((slab, layout), buffer) in drawn.into_iter().zip(buffers) {
            plan.copies.push((slab, buffer.clone(), layout.words));
            pictures.push((buffer, layout));
        }
        pictures
    }

    fn plan_canvas(&mut self, plan: &mut Plan, canvas: &Canvas, colour: Colour, layout: &PlaneLayout) -> Rc<Slab> {
        let target = Target { slab: self.take(plan, layout.buffer_words()), layout: *layout, colour };
        let rects = canvas.draws.iter().map(|draw| draw.rect);
        if !uncovered(canvas.width, canvas.height, rects).is_empty() {
            plan.fill(&target, background_words(colour, canvas.background));
        }
        for (index, draw) in canvas.draws.iter().enumerate() {
            self.plan_draw(plan, draw, &target, DRAWS + 2 * index);
        }
        target.slab
    }

    fn plan_draw(&mut self, plan: &mut Plan, draw: &Draw, target: &Target, order: usize) {
        let size = (draw.rect.width, draw.rect.height);
        let upload = self.upload(&draw.picture);
        let middle = match plan.middles.get(&(upload, size)) {
            Some(middle) => middle.clone(),
            None => {
                let (source, from) = (Rc::clone(&self.uploads[upload].slab), self.uploads[upload].layout);
                let middle = self.plan_horizontal(plan, &source, &from, size, HORIZONTAL);
                plan.middles.insert((upload, size), middle.clone());
                middle
            }
        };
        let from = draw.picture.colour;
        let way = Way::of(from, target.colour);
        if matches!(way, Way::AsItIs) {
            plan.vertical(&middle, &target.slab, &target.layout, draw.rect, order);
            return;
        }
        let tile_layout = PlaneLayout::new(size.0, size.1, way.tile_depth(from));
        let tile = self.take(plan, tile_layout.buffer_words());
        plan.vertical(&middle, &tile, &tile_layout, Rect { x: 0, y: 0, width: size.0, height: size.1 }, order);
        let tables = self.tables.light(&self.device, (from, target.colour), &way);
        plan.convert(&way, tables, (&tile, &tile_layout), target, draw.rect, order + 1);
    }

    fn plan_horizontal(
        &mut self,
        plan: &mut Plan,
        source: &Slab,
        from: &PlaneLayout,
        size: (u32, u32),
        order: usize,
    ) -> Middle {
        let tables = self.tables.scaling(&self.device, (from.width, from.height), size);
        let layout = MiddleLayout::new(from, size.0);
        let slab = self.take(plan, layout.words);
        let middle = Middle { slab, tables, layout };
        plan.horizontal(source, from, &middle, order);
        middle
    }

    /// Index of the picture among the uploads, after uploading it if it is not there from this tick or the one before.
    fn upload(&mut self, picture: &Picture) -> usize {
        let same = |u: &Upload| {
            u.picture.same_memory(picture)
                && (u.picture.width, u.picture.height) == (picture.width, picture.height)
                && u.picture.strides == picture.strides
                && u.picture.colour == picture.colour
        };
        if let Some(found) = self.uploads.iter().position(same) {
            self.uploads[found].used = true;
            return found;
        }
        let layout = PlaneLayout::new(picture.width, picture.height, picture.colour.depth);
        let slab = Rc::new(self.take_idle(layout.buffer_words()));
        let bytes = u64::from(layout.words) * 4;
        let view =
            wgpu::BufferSize::new(bytes).and_then(|size| self.device.queue.write_buffer_with(&slab.buffer, 0, size));
        // Without a view the device is broken, which its error handler has noted.
        if let Some(mut view) = view {
            for plane in 0..3 {
                let (width, height) = (picture.row_bytes(plane), picture.plane_size(plane).1);
                let (span, stride) = (layout.bytes(plane), layout.strides[plane] as usize * 4);
                if picture.strides[plane] == stride && picture.plane(plane).len() >= span.len() {
                    view.slice(span.clone()).copy_from_slice(&picture.plane(plane)[..span.len()]);
                    continue;
                }
                for row in 0..height {
                    let at = span.start + row * stride;
                    view.slice(at..at + width).copy_from_slice(picture.row(plane, row));
                }
            }
        }
        self.uploads.push(Upload { picture: picture.clone(), layout, slab, used: true });
        self.uploads.len() - 1
    }

    fn take(&mut self, plan: &mut Plan, words: u32) -> Rc<Slab> {
        let slab = Rc::new(self.take_idle(words));
        plan.taken.push(Rc::clone(&slab));
        slab
    }

    fn take_idle(&mut self, words: u32) -> Slab {
        match self.idle.get_mut(&words.max(16)).and_then(Vec::pop) {
            Some(slab) => {
                self.idle_words -= u64::from(slab.words);
                slab
            }
            None => self.device.slab("planes", words),
        }
    }

    /// Records the plan and hands it to the device.
    fn submit(&mut self, plan: &mut Plan) -> wgpu::SubmissionIndex {
        if plan.params.len() as u64 > self.params.0.size() {
            self.params = self.device.params(plan.params.len().next_power_of_two());
        }
        if !plan.params.is_empty() {
            self.device.queue.write_buffer(&self.params.0, 0, &plan.params);
        }
        plan.steps.sort_by_key(|step| step.order);
        let mut encoder = self.device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for step in &plan.steps {
                let pipelines = &self.device.pipelines;
                pass.set_pipeline(match step.shader {
                    Shader::ScaleHorizontal => &pipelines.scale_horizontal,
                    Shader::ScaleVertical => &pipelines.scale_vertical,
                    Shader::Convert => &pipelines.convert,
                    Shader::ConvertHdr => &pipelines.convert_hdr,
                    Shader::Fill => &pipelines.fill,
                });
                pass.set_bind_group(0, &self.params.1, &[step.params_at as u32]);
                for (index, group) in step.groups.iter().enumerate() {
                    pass.set_bind_group(index as u32 + 1, group, &[]);
                }
                pass.dispatch_workgroups(step.workgroups.0, step.workgroups.1, step.workgroups.2);
            }
        }
        for (slab, buffer, words) in &plan.copies {
            encoder.copy_buffer_to_buffer(&slab.buffer, 0, buffer, 0, u64::from(*words) * 4);
        }
        self.device.queue.submit([encoder.finish()])
    }

    /// Hands buffers back and forgets pictures that this tick did not show.
    fn recycle(&mut self, plan: Plan) {
        let Plan { taken, middles, copies, .. } = plan;
        drop((middles, copies));
        let (used, unused) = std::mem::take(&mut self.uploads).into_iter().partition(|upload: &Upload| upload.used);
        self.uploads = used;
        self.uploads.iter_mut().for_each(|upload| upload.used = false);
        let stale = unused.into_iter().map(|upload: Upload| upload.slab);
        for slab in taken.into_iter().chain(stale).filter_map(Rc::into_inner) {
            if self.idle_words > IDLE_WORDS {
                self.idle.clear();
                self.idle_words = 0;
            }
            self.idle_words += u64::from(slab.words);
            self.idle.entry(slab.words).or_default().push(slab);
        }
    }
}

impl Plan {
    fn put_params(&mut self, params: &impl bytemuck::Pod) -> usize {
        let at = self.params.len();
        self.params.extend_from_slice(bytemuck::bytes_of(params));
        self.params.resize(at + PARAMS_STRIDE, 0);
        at
    }

    fn step(&mut self, order: usize, shader: Shader, params_at: usize, groups: Vec<wgpu::BindGroup>, size: (u32, u32)) {
        self.steps.push(Step { order, shader, params_at, groups, workgroups: (size.0, size.1, 1) });
    }

    /// Fills a canvas's planes with a word each.
    fn fill(&mut self, target: &Target, [y, u, v]: [u32; 3]) {
        let layout = &target.layout;
        let words = [0, 1, 2].map(|plane| layout.strides[plane] * layout.rows(plane));
        let params = gpu_data::Fill {
            offsets: [layout.offsets[0], layout.offsets[1], layout.offsets[2], 0],
            words: [words[0], words[1], words[2], 0],
            values: [y, u, v, 0],
        };
        let params_at = self.put_params(&params);
        let groups = vec![target.slab.write.clone()];
        let workgroups = (words[0].div_ceil(gpu_data::FILL_BLOCK), 1, 3);
        self.steps.push(Step { order: FILL, shader: Shader::Fill, params_at, groups, workgroups });
    }

    fn horizontal(&mut self, source: &Slab, from: &PlaneLayout, middle: &Middle, order: usize) {
        let layout = middle.layout;
        let planes = [0, 1, 2].map(|plane| {
            let table = middle.tables.horizontal[plane.min(1)];
            HorizontalPlane {
                source: from.offsets[plane],
                source_stride: from.strides[plane],
                source_rows: from.rows(plane),
                outputs: layout.strides[plane],
                middle: layout.offsets[plane],
                middle_stride: layout.strides[plane],
                pairs: layout.pairs[plane],
                firsts: table.firsts,
                weights: table.weights,
                window_words: table.window_words,
                unused: [0; 2],
            }
        });
        let extent = |plane: usize| (layout.strides[plane], layout.pairs[plane]);
        let (blocks, size) = Blocks::over(extent(0), extent(1), from.depth);
        let params_at = self.put_params(&gpu_data::Horizontal { planes, blocks });
        let groups = vec![middle.tables.slab.read.clone(), source.read.clone(), middle.slab.write.clone()];
        self.step(order, Shader::ScaleHorizontal, params_at, groups, size);
    }

    fn vertical(&mut self, middle: &Middle, target: &Slab, layout: &PlaneLayout, rect: Rect, order: usize) {
        let planes = [0, 1, 2].map(|plane: usize| {
            let table = middle.tables.vertical[plane.min(1)];
            let half = u32::from(plane > 0);
            VerticalPlane {
                middle: middle.layout.offsets[plane],
                middle_stride: middle.layout.strides[plane],
                spans: table.spans,
                weights: table.weights,
                span_pairs: table.span_pairs,
                canvas: layout.offsets[plane],
                canvas_stride: layout.strides[plane],
                x: rect.x >> half,
                y: rect.y >> half,
                width: rect.width >> half,
                height: rect.height >> half,
                unused: 0,
            }
        });
        let (blocks, size) = blocks_over(rect, layout.depth);
        let params_at = self.put_params(&gpu_data::Vertical { planes, blocks });
        let groups = vec![middle.tables.slab.read.clone(), middle.slab.read.clone(), target.write.clone()];
        self.step(order, Shader::ScaleVertical, params_at, groups, size);
    }

    fn convert(
        &mut self,
        way: &Way,
        tables: wgpu::BindGroup,
        tile: (&Slab, &PlaneLayout),
        canvas: &Target,
        rect: Rect,
        order: usize,
    ) {
        let four = |three: [u32; 3]| [three[0], three[1], three[2], 0];
        let (mut blocks, size) = blocks_over(rect, tile.1.depth);
        let mut factors = [[0; 4]; 3];
        let shader = if matches!(way, Way::IntoHdr(_)) { Shader::ConvertHdr } else { Shader::Convert };
        if let Way::Converted(conversion) = way
            && let Conversion::Affine(affine) = &**conversion
        {
            for ((row, f), offset) in factors.iter_mut().zip(affine.factors).zip(affine.offsets) {
                *row = [f[0], f[1], f[2], offset];
            }
        } else {
            blocks.kind = 1;
        }
        let params = gpu_data::Convert {
            factors,
            tile: four(tile.1.offsets),
            tile_strides: four(tile.1.strides),
            canvas: four(canvas.layout.offsets),
            canvas_strides: four(canvas.layout.strides),
            rect: [rect.x, rect.y, rect.width, rect.height],
            blocks,
        };
        let params_at = self.put_params(&params);
        let groups = vec![tables, tile.0.read.clone(), canvas.slab.write.clone()];
        self.step(order, shader, params_at, groups, size);
    }
}

/// A word of each plane of a canvas's background.
fn background_words(colour: Colour, rgb: [u8; 3]) -> [u32; 3] {
    match colour.is_hdr_canvas() {
        true => pq::background_codes(colour, rgb).map(|code| u32::from(code) | u32::from(code) << 16),
        false => colour::canvas_codes(rgb).map(|code| u32::from_ne_bytes([code; 4])),
    }
}

/// Workgroups for the words of the canvas that a rectangle touches, four samples to an invocation.
fn blocks_over(rect: Rect, depth: Depth) -> (Blocks, (u32, u32)) {
    let words = |half: u32| {
        let (x, width) = (rect.x >> half, rect.width >> half);
        ((x + width).div_ceil(4) - x / 4, rect.height >> half)
    };
    Blocks::over(words(0), words(1), depth)
}
