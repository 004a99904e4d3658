//! What a rendition in HEVC costs and saves beside one in H.264 of the same size: both of preset `veryfast`, the mosaics of `rate`.

use quadrille::compositor::Compositor;
use quadrille::encode::{Libraries, PictureEncoders};
use quadrille::frame::Picture;
use quadrille::ladder::{Rung, VideoCodec, VideoSettings};
use quadrille::mosaic::process_cpu_time;

use crate::clips;
use crate::rate::{Curve, RATES_BPS, more_bits, mosaic_of, render};

/// Prints how many fewer bits HEVC takes at equal luma SSIM, and how much more processor time at equal bits, clip by clip.
pub fn saving(rung: &Rung, compositor: &dyn Compositor) {
    let hevc = VideoSettings { codec: VideoCodec::Hevc, ..rung.settings.clone() };
    for (name, sources) in clips::looked_at() {
        let mosaic = mosaic_of(&sources, compositor);
        let curve = |settings: &VideoSettings| -> Curve {
            RATES_BPS.iter().map(|rate| render(settings, *rate, &mosaic)).collect()
        };
        println!("hevc_rate_{name}_percent {:.1} %", more_bits(&curve(&rung.settings), &curve(&hevc)));
        let (h264_s, hevc_s) = (cpu_s(&rung.settings, &mosaic), cpu_s(&hevc, &mosaic));
        println!("hevc_encode_{name}_cpu_s_per_s {hevc_s:.2} s/s");
        println!("hevc_vs_h264_cpu_{name}_ratio {:.1} ratio", hevc_s / h264_s);
    }
}

/// Processor seconds per second of pictures at the rendition's rate.
fn cpu_s(settings: &VideoSettings, pictures: &[Picture]) -> f64 {
    let mut encoder = Libraries.open(settings).expect("the encoder opens");
    let before = process_cpu_time();
    for (frame, picture) in (0u64..).zip(pictures) {
        encoder.encode(picture, frame).expect("it encodes");
    }
    while encoder.drain().expect("it encodes").is_some() {}
    (process_cpu_time() - before).as_secs_f64() * 30.0 / pictures.len() as f64
}
