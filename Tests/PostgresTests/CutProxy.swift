import Foundation
import Synchronization

/// A TCP proxy in front of a server that can lose the answer to what it has just passed on.
final class CutProxy: Sendable {
    enum Fault: Sendable {
        /// Everything passes.
        case none
        /// After the client sent these bytes they are passed on, the server's answer is awaited, and then the line is cut.
        case cutAfterAnswer(to: String)
        /// After the client sent these bytes nothing passes back any more, and nothing is closed.
        case silence(after: String)
    }

    let port: Int
    private let listener: Int32
    private let target: Int
    private let fault = Mutex(Fault.none)

    init(to target: Int) throws {
        self.target = target
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = CutProxy.loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let ok = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard ok else { throw POSIXError(.EADDRINUSE) }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread { [self] in accepting() }.start()
    }

    func set(_ fault: Fault) { self.fault.withLock { $0 = fault } }

    func close() {
        shutdown(listener, Int32(SHUT_RDWR))
        Glibc.close(listener)
    }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private func accepting() {
        while true {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { return }
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = CutProxy.loopback(target)
            _ = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            let swallowing = Swallowing()
            Thread { [self] in pump(from: client, to: server, swallowing, isClient: true) }.start()
            Thread { [self] in pump(from: server, to: client, swallowing, isClient: false) }.start()
        }
    }

    private final class Swallowing: Sendable {
        let fault = Mutex<Fault>(.none)
    }

    private func pump(from source: Int32, to sink: Int32, _ swallowing: Swallowing, isClient: Bool) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(source, &buffer, buffer.count)
            guard count > 0 else { break }
            if isClient {
                let fault = fault.withLock { $0 }
                switch fault {
                case .none: break
                case .cutAfterAnswer(let text), .silence(let text):
                    if Data(buffer[0..<count]).range(of: Data(text.utf8)) != nil {
                        swallowing.fault.withLock { $0 = fault }
                    }
                }
            } else {
                switch swallowing.fault.withLock({ $0 }) {
                case .none: break
                case .silence: continue
                case .cutAfterAnswer:
                    shutdown(source, Int32(SHUT_RDWR))
                    shutdown(sink, Int32(SHUT_RDWR))
                    return
                }
            }
            guard write(sink, buffer, count) == count else { break }
        }
        shutdown(sink, Int32(SHUT_RDWR))
    }
}
