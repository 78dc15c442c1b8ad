//! What a run owes the system it was started by: it ends when it is asked to, and a service manager
//! hears that it lives.

use std::env;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use anyhow::Result;
use embedded_graphics::geometry::Size;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use tapseg::screen::{Canvas, Screen, ScreenError, ScreenEvent};

use super::interrupt::Interrupt;

/// A screen that closes on Ctrl-C or a polite request to end, and tells the service manager when the
/// first picture is on it, and then that it is still drawn on.
pub struct Attended {
    screen: Box<dyn Screen>,
    interrupt: Interrupt,
    manager: Option<Manager>,
}

impl Attended {
    pub fn new(screen: Box<dyn Screen>) -> Result<Self> {
        let manager = Manager::of(|name| env::var(name).ok());
        if manager.is_some() {
            leave_keys_alone();
        }
        Ok(Self { screen, interrupt: Interrupt::watch()?, manager })
    }
}

/// Has no key of the console that a service was given end or stop it: a keyboard at the panel is for its
/// buttons, and Ctrl-Z would leave the picture standing.
fn leave_keys_alone() {
    // What is no console has no keys.
    let Ok(mut console) = tcgetattr(io::stdin()) else { return };
    console.local_modes.remove(LocalModes::ISIG);
    if let Err(error) = tcsetattr(io::stdin(), OptionalActions::Now, &console) {
        log::warn!("Ctrl-C at the console ends the program: {error}");
    }
}

impl Screen for Attended {
    fn size(&self) -> Size {
        self.screen.size()
    }

    fn pixels_per_mm(&self) -> Option<f32> {
        self.screen.pixels_per_mm()
    }

    fn poll(
        &mut self,
        timeout: Duration,
        events: &mut Vec<ScreenEvent>,
    ) -> Result<(), ScreenError> {
        if self.interrupt.asked() {
            events.push(ScreenEvent::Closed);
            return Ok(());
        }
        if let Some(manager) = &mut self.manager {
            manager.alive();
        }
        self.screen.poll(timeout, events)
    }

    fn present(&mut self, canvas: &Canvas) -> Result<(), ScreenError> {
        self.screen.present(canvas)?;
        if let Some(manager) = &mut self.manager {
            manager.ready();
        }
        Ok(())
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        if let Some(manager) = &self.manager {
            manager.tell("STOPPING=1");
        }
    }
}

/// The service manager that started this program, by systemd's protocol (`sd_notify(3)`).
struct Manager {
    socket: UnixDatagram,
    /// How often it wants to hear, and when it heard last.
    watchdog: Option<Duration>,
    heard: Instant,
    is_ready: bool,
}

impl Manager {
    /// The manager that the environment names; none where there is none that can be told anything.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let name = variable("NOTIFY_SOCKET")?;
        let socket = UnixDatagram::unbound().and_then(|socket| {
            // A name that begins with @ is in no folder.
            #[cfg(target_os = "linux")]
            if let Some(name) = name.strip_prefix('@') {
                use std::os::linux::net::SocketAddrExt;
                use std::os::unix::net::SocketAddr;
                socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?;
                return Ok(socket);
            }
            socket.connect(&name)?;
            Ok(socket)
        });
        let socket =
            socket.inspect_err(|error| log::warn!("NOTIFY_SOCKET={name}: {error}")).ok()?;
        let watchdog = variable("WATCHDOG_USEC").and_then(|us| us.parse().ok());
        Some(Self {
            socket,
            // It ends what is silent for so long: half of it leaves room for a slow picture.
            watchdog: watchdog.map(|us: u64| Duration::from_micros(us / 2)),
            heard: Instant::now(),
            is_ready: false,
        })
    }

    fn ready(&mut self) {
        if !self.is_ready {
            self.is_ready = true;
            self.tell("READY=1");
        }
    }

    fn alive(&mut self) {
        if self.watchdog.is_some_and(|every| self.heard.elapsed() >= every) {
            self.heard = Instant::now();
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, what: &str) {
        if let Err(error) = self.socket.send(what.as_bytes()) {
            log::warn!("the service manager can't be told {what}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_manager_hears_once_that_it_begins_and_often_that_it_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let heard = || {
            let mut text = [0; 64];
            let length = socket.recv(&mut text).ok()?;
            Some(String::from_utf8_lossy(&text[..length]).into_owned())
        };
        let variable = |name: &str| match name {
            "NOTIFY_SOCKET" => path.to_str().map(str::to_owned),
            "WATCHDOG_USEC" => Some("0".to_owned()),
            _ => None,
        };
        let mut manager = Manager::of(variable).unwrap();
        manager.ready();
        manager.ready();
        manager.alive();
        manager.alive();
        let all: Vec<String> = std::iter::from_fn(heard).collect();
        assert_eq!(all, ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
        assert!(Manager::of(|_| None).is_none());
        assert!(Manager::of(|_| Some("/nowhere/at/all".into())).is_none());
    }
}
