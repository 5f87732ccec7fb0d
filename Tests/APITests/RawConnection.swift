import Dispatch
import Foundation

/// A TCP connection of a client that does what no library lets one do.
final class RawConnection: Sendable {
    struct Failure: Error { let number: Int32 }

    /// What was read, and whether the server had hung up by then.
    struct Reading: Sendable {
        let text: String
        let isClosed: Bool
        let duration: Duration
    }

    private let descriptor: Int32

    init(port: Int, receiveBuffer: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            throw Failure(number: errno)
        }
    }

    deinit { close(descriptor) }

    /// Writes text; throws when the server has hung up.
    func send(_ text: String) throws {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(number: errno) }
            bytes = bytes.dropFirst(count)
        }
    }

    /// Reads until the server hangs up, or for so long.
    func readAll(within limit: Duration) async -> Reading {
        await read(within: limit) { _ in false }
    }

    /// Reads until the text is as wanted, the server hangs up, or for so long. Waiting happens on a thread of its own.
    func read(within limit: Duration, until isEnough: @escaping @Sendable (String) -> Bool) async -> Reading {
        await withCheckedContinuation { continuation in
            let thread = Thread { [self] in
                let start = ContinuousClock.now
                var bytes: [UInt8] = []
                var isClosed = false
                var buffer = [UInt8](repeating: 0, count: 65_536)
                while ContinuousClock.now - start < limit, !isClosed {
                    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                    guard poll(&entry, 1, 50) > 0 else { continue }
                    let count = recv(descriptor, &buffer, buffer.count, 0)
                    if count <= 0 { isClosed = true } else { bytes += buffer.prefix(count) }
                    if isEnough(String(decoding: bytes, as: UTF8.self)) { break }
                }
                continuation.resume(
                    returning: Reading(
                        text: String(decoding: bytes, as: UTF8.self), isClosed: isClosed,
                        duration: ContinuousClock.now - start))
            }
            thread.start()
        }
    }
}
