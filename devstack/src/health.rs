//! Whether a server answers: one real request to each, without a client library.
//!
//! A check gives up soon, so that it can be asked again; what a failure means is for the caller to say.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(2);

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Whether a GET of `path` is answered with 200.
pub(crate) fn http(port: u16, path: &str) -> io::Result<bool> {
    let mut stream = connect(port)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(&status == b"HTTP/1.1 200")
}

/// Whether a broker answers a metadata request and counts itself among the brokers that can be used.
pub(crate) fn kafka(port: u16) -> io::Result<bool> {
    let mut stream = connect(port)?;
    // Metadata, version 4: header (key 3, version 4, correlation 1, client id), no topics, create none
    let mut request = Vec::from(*b"\0\x03\0\x04\0\0\0\x01");
    let client = b"ovation-devstack";
    request.extend((client.len() as u16).to_be_bytes());
    request.extend(client);
    request.extend(0_i32.to_be_bytes());
    request.push(0);
    stream.write_all(&(request.len() as u32).to_be_bytes())?;
    stream.write_all(&request)?;
    let mut word = || -> io::Result<i32> {
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes)?;
        Ok(i32::from_be_bytes(bytes))
    };
    // length, correlation, throttle time, number of brokers
    let (_length, correlation, _throttle_ms, brokers) = (word()?, word()?, word()?, word()?);
    Ok(correlation == 1 && brokers > 0)
}
