//! The Vulkan device: opening it, its pipelines, and its buffers with the bind groups that go with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::gpu_data;
use crate::compositor::CompositorError;

/// Bytes between two parameter blocks: no adapter asks for more (WebGPU, minUniformBufferOffsetAlignment).
pub(super) const PARAMS_STRIDE: usize = 256;

/// An opened device and all that lives as long as it does.
pub(super) struct Device {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub adapter: String,
    /// Set when the device was lost or reported an error; nothing drawn after that is to be trusted.
    pub broken: Arc<AtomicBool>,
    pub pipelines: Pipelines,
    layouts: Layouts,
}

/// One compute pipeline a shader.
pub(super) struct Pipelines {
    pub scale_horizontal: wgpu::ComputePipeline,
    pub scale_vertical: wgpu::ComputePipeline,
    pub convert: wgpu::ComputePipeline,
    pub convert_hdr: wgpu::ComputePipeline,
    pub fill: wgpu::ComputePipeline,
}

struct Layouts {
    params: wgpu::BindGroupLayout,
    read: wgpu::BindGroupLayout,
    write: wgpu::BindGroupLayout,
}

/// A storage buffer with its bind groups.
pub(super) struct Slab {
    pub buffer: wgpu::Buffer,
    pub read: wgpu::BindGroup,
    pub write: wgpu::BindGroup,
    /// Size in words of four bytes.
    pub words: u32,
}

impl Device {
    /// Opens the best Vulkan adapter: a discrete GPU before an integrated or virtual one, a software one last.
    pub(super) fn open() -> Result<Self, CompositorError> {
        let mut wanted = wgpu::InstanceDescriptor::new_without_display_handle();
        wanted.backends = wgpu::Backends::VULKAN;
        wanted.flags = wgpu::InstanceFlags::empty();
        let instance = wgpu::Instance::new(wanted);
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
        let adapter = adapters
            .into_iter()
            .min_by_key(|adapter| match adapter.get_info().device_type {
                wgpu::DeviceType::DiscreteGpu => 0,
                wgpu::DeviceType::VirtualGpu => 1,
                wgpu::DeviceType::IntegratedGpu => 2,
                wgpu::DeviceType::Other => 3,
                wgpu::DeviceType::Cpu => 4,
            })
            .ok_or_else(|| CompositorError::NoAdapter("the Vulkan loader found none".into()))?;
        let info = adapter.get_info();
        let wanted = wgpu::DeviceDescriptor {
            label: Some("compositor"),
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&wanted))
            .map_err(|e| CompositorError::NoAdapter(format!("{}: {e}", info.name)))?;
        let broken = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&broken);
        device.set_device_lost_callback(move |reason, message| {
            if !flag.swap(true, Ordering::AcqRel) {
                tracing::error!(?reason, message, "the GPU was lost");
            }
        });
        let flag = Arc::clone(&broken);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            if !flag.swap(true, Ordering::AcqRel) {
                tracing::error!(%error, "the GPU reported an error");
            }
        }));
        let layouts = Layouts::new(&device);
        let pipelines = Pipelines::new(&device, &layouts);
        let adapter = format!("{} ({:?}, {})", info.name, info.device_type, info.driver_info);
        Ok(Self { device, queue, adapter, broken, pipelines, layouts })
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// A storage buffer of `words` words, at least a few.
    pub(super) fn slab(&self, label: &str, words: u32) -> Slab {
        let words = words.max(16);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: u64::from(words) * 4,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let group = |layout| self.bind(label, layout, buffer.as_entire_binding());
        let (read, write) = (group(&self.layouts.read), group(&self.layouts.write));
        Slab { buffer, read, write, words }
    }

    /// A storage buffer that holds `table`.
    pub(super) fn table(&self, label: &str, table: &[u32]) -> Slab {
        let slab = self.slab(label, table.len() as u32);
        self.queue.write_buffer(&slab.buffer, 0, bytemuck::cast_slice(table));
        slab
    }

    /// A buffer of `bytes` bytes of parameter blocks, bound with a dynamic offset.
    pub(super) fn params(&self, bytes: usize) -> (wgpu::Buffer, wgpu::BindGroup) {
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("params"),
            size: bytes as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let block =
            wgpu::BufferBinding { buffer: &buffer, offset: 0, size: wgpu::BufferSize::new(PARAMS_STRIDE as u64) };
        let group = self.bind("params", &self.layouts.params, wgpu::BindingResource::Buffer(block));
        (buffer, group)
    }

    fn bind(
        &self,
        label: &str,
        layout: &wgpu::BindGroupLayout,
        resource: wgpu::BindingResource<'_>,
    ) -> wgpu::BindGroup {
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(label),
            layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource }],
        })
    }
}

impl Layouts {
    fn new(device: &wgpu::Device) -> Self {
        let layout = |ty, has_dynamic_offset| {
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: None,
                entries: &[wgpu::BindGroupLayoutEntry {
                    binding: 0,
                    visibility: wgpu::ShaderStages::COMPUTE,
                    ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
                    count: None,
                }],
            })
        };
        Self {
            params: layout(wgpu::BufferBindingType::Uniform, true),
            read: layout(wgpu::BufferBindingType::Storage { read_only: true }, false),
            write: layout(wgpu::BufferBindingType::Storage { read_only: false }, false),
        }
    }
}

impl Pipelines {
    fn new(device: &wgpu::Device, layouts: &Layouts) -> Self {
        let pipeline = |label, text: &str, groups: &[&wgpu::BindGroupLayout]| {
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(label),
                source: wgpu::ShaderSource::Wgsl(text.into()),
            });
            let groups: Vec<_> = groups.iter().map(|group| Some(*group)).collect();
            let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(label),
                bind_group_layouts: &groups,
                immediate_size: 0,
            });
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(label),
                layout: Some(&layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Workgroup memory is not used.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            })
        };
        let Layouts { params, read, write } = layouts;
        let four = [params, read, read, write];
        Self {
            scale_horizontal: pipeline("scale_horizontal", gpu_data::SCALE_HORIZONTAL, &four),
            scale_vertical: pipeline("scale_vertical", gpu_data::SCALE_VERTICAL, &four),
            convert: pipeline("convert", gpu_data::CONVERT, &four),
            convert_hdr: pipeline("convert_hdr", gpu_data::CONVERT_HDR, &four),
            fill: pipeline("fill", gpu_data::FILL, &[params, write]),
        }
    }
}
