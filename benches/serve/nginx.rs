//! nginx with files in memory.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::client::Target;
use super::process;

pub struct Server {
    process: Child,
    address: String,
    dir: PathBuf,
    lengths: Vec<(String, usize)>,
}

impl Server {
    /// Serves `bodies` by name, from files on a memory file system.
    pub fn start(bodies: &[(String, Vec<u8>)]) -> Self {
        let dir = PathBuf::from(format!("/dev/shm/quadrille-serve-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("files")).expect("/dev/shm can be written");
        for (name, body) in bodies {
            std::fs::write(dir.join("files").join(format!("{name}.m4s")), body).expect("/dev/shm has room");
        }
        // nginx cannot say which port it was given: one that was free a moment ago.
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("it has an address").to_string();
        drop(free);
        let config = dir.join("nginx.conf");
        std::fs::write(&config, config_text(&dir, &address)).expect("/dev/shm can be written");
        let process = Command::new("nginx")
            .arg("-c")
            .arg(&config)
            .args(["-e", "stderr", "-p"])
            .arg(&dir)
            .stderr(Stdio::inherit())
            .spawn()
            .expect("nginx is installed");
        let mut patience = 100;
        while TcpStream::connect(&address).is_err() {
            patience -= 1;
            assert!(patience > 0, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        let lengths = bodies.iter().map(|(name, body)| (name.clone(), body.len())).collect();
        Self { process, address, dir, lengths }
    }

    pub fn target(&self, rendition: &str) -> Target {
        let length = self.lengths.iter().find(|(name, _)| name == rendition).expect("it was given").1;
        Target { address: self.address.clone(), path: format!("/{rendition}.m4s"), length }
    }

    pub fn processes(&self) -> Vec<u32> {
        process::children(self.process.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The master would leave its workers behind if it were killed: it is asked to end.
        let _ = Command::new("kill").args(["-s", "TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// What nginx's own pages advise for static files, and the number of workers and the chunk with which it was cheapest here: with more
/// of either it takes up to twice the processor time for large files, and without `sendfile` twice for small ones.
fn config_text(dir: &std::path::Path, address: &str) -> String {
    let dir = dir.display();
    // Started as root, workers would be another user, who may not read what this one wrote.
    let user = if is_root() { "user root;" } else { "" };
    format!(
        "daemon off; {user} pid {dir}/pid; worker_processes 1;\n\
         events {{ worker_connections 256; }}\n\
         http {{ access_log off; sendfile on; sendfile_max_chunk 256k; tcp_nopush on; tcp_nodelay on; keepalive_requests 10000000;\n\
         open_file_cache max=16 inactive=600s; open_file_cache_valid 600s; types {{ video/mp4 m4s; }}\n\
         client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;\n\
         uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;\n\
         server {{ listen {address}; root {dir}/files; }} }}\n"
    )
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}
