//! Every rule has a planted fault; clean streams trigger nothing.

mod bytes;
mod docs;
mod faults;
mod faults_images;
mod faults_live;
mod faults_segment;
mod hostile;
mod planted;
mod watching;
mod world;
