//! The operator as it runs: its own process, a real API server, the emulator of both services behind a socket.

mod deletion;
mod leadership;
mod load;
mod operator;
mod pages;
mod proxy;
mod reconciles;
mod rights;
mod secrets;
mod server;
mod sources;
