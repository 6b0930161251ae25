//! CPU or CUDA.

use tch::{Cuda, Device};

use crate::cuda;
use crate::spec::DevicePreference;
use crate::{Error, Result};

/// The device that a preference comes to. Errors: [`Error::Device`] when CUDA is asked for and there is none.
pub fn choose(preference: DevicePreference) -> Result<Device> {
    if preference == DevicePreference::Cpu {
        return Ok(Device::Cpu);
    }
    let found =
        cuda::load().and_then(|()| if Cuda::is_available() { Ok(()) } else { Err("no GPU answers".to_owned()) });
    match (preference, found) {
        (_, Ok(())) => Ok(Device::Cuda(0)),
        (DevicePreference::Cuda, Err(detail)) => {
            Err(Error::Device(format!("CUDA is asked for and can't be used ({detail}); use device auto or cpu")))
        }
        (_, Err(_)) => Ok(Device::Cpu),
    }
}

/// `cpu` or `cuda`.
pub fn name(device: Device) -> &'static str {
    if device.is_cuda() { "cuda" } else { "cpu" }
}
