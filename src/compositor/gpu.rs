use super::{Compositor, CompositorError, Job, Kind};
pub struct GpuCompositor;
impl GpuCompositor {
    pub fn new(_workers: usize) -> Result<Self, CompositorError> {
        Err(CompositorError::NoAdapter("not yet".into()))
    }
    pub fn adapter(&self) -> String {
        String::new()
    }
}
impl Compositor for GpuCompositor {
    fn submit(&self, tick: Vec<Job>) -> Vec<Job> {
        tick
    }
    fn kind(&self) -> Kind {
        Kind::Gpu
    }
    fn describe(&self) -> String {
        String::new()
    }
    fn queued(&self) -> usize {
        0
    }
}
