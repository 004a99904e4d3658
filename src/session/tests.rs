mod lifecycle;
mod playback;
mod requests;
