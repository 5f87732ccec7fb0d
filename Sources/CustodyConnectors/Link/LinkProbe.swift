import AsyncHTTPClient
import CustodyDomain
import CustodyWire
import Foundation
import NIOCore
import NIOSSL
import SwiftASN1
import Synchronization
import X509

/// Looks at a line as it is: the name's addresses, whether anybody answers, what TLS came to, and how far the clocks are apart.
///
/// It goes the very way that instructions go: through the same proxy, from the same source address, with the same certificates.
public struct LinkProbe: Sendable {
    /// What was seen; nil is not seen.
    public struct Sight: Sendable {
        /// The addresses of the host, or of the proxy that looks it up.
        public var addresses: [String] = []
        /// Why nobody answered.
        public var failure: Doubt?
        /// The version of TLS that both agreed on, such as `1.3`; nil on a plain connection.
        public var tlsVersion: String?
        /// Whom the counterparty's certificate names.
        public var certificateSubject: String?
        /// When its certificate ends.
        public var certificateEnd: Instant?
        /// How far the counterparty's clock is ahead of ours, by its `Date`.
        public var clockOffset: Duration?
        /// What it answered, unsigned and asked for nothing.
        public var status: Int?
    }

    private struct Handshake {
        var version: String?
        var subject: String?
        var end: Instant?
    }

    private let transport: Transport
    private let clock: @Sendable () -> Instant

    /// - Parameter clock: Real time.
    public init(transport: Transport, clock: @escaping @Sendable () -> Instant) {
        self.transport = transport
        self.clock = clock
    }

    /// Looks once.
    ///
    /// - Throws: `NIOSSLError` when a certificate or key of the transport cannot be read.
    public func look(at url: String, host: String) async throws -> Sight {
        var sight = Sight()
        sight.addresses = await LinkProbe.addresses(of: transport.address ?? transport.proxy?.host ?? host)
        let observed = Observed()
        let client = try transport.route(to: host).client { observed.inspect($0) }
        do throws(Doubt) {
            let answer = try await Outbound(client: client, timeout: transport.totalTimeout).call(
                "GET", url, headers: [("User-Agent", "custody/1"), ("Accept", "*/*")])
            sight.status = answer.status
            sight.clockOffset = answer.header("Date").flatMap { LinkProbe.time(of: $0) }.map { $0 - clock() }
        } catch {
            sight.failure = error
        }
        try? await client.shutdown()
        let handshake = observed.handshake
        sight.tlsVersion = handshake.version
        sight.certificateSubject = handshake.subject
        sight.certificateEnd = handshake.end
        return sight
    }

    /// What a connection's handshake came to, kept while it is made.
    private final class Observed: Sendable {
        private let seen = Mutex(Handshake())

        var handshake: Handshake { seen.withLock { $0 } }

        func inspect(_ channel: any NIOCore.Channel) -> EventLoopFuture<Void> {
            channel.eventLoop.submit {
                guard
                    let tls = try? channel.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
                else { return }
                let certificate = (try? tls.peerCertificate?.toDERBytes()).flatMap {
                    try? Certificate(derEncoded: $0)
                }
                self.seen.withLock {
                    $0.version = tls.tlsVersion.map { $0 == .tlsv13 ? "1.3" : $0 == .tlsv12 ? "1.2" : "older" }
                    $0.subject = certificate?.subject.description
                    $0.end = certificate.map { Instant(seconds: Int64($0.notValidAfter.timeIntervalSince1970)) }
                }
            }
        }
    }

    /// The addresses of a name, or none when it has none. Blocks a thread of its own.
    private static func addresses(of name: String) async -> [String] {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: resolved(name)) }
        }
    }

    private static func resolved(_ name: String) -> [String] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: [String] = []
        var next = list
        while let entry = next?.pointee {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            if getnameinfo(entry.ai_addr, entry.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 {
                found.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
            next = entry.ai_next
        }
        return found
    }

    /// A `Date` field's time: `Sun, 06 Nov 1994 08:49:37 GMT`.
    private static func time(of field: String) -> Instant? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let parts = field.split(separator: " ")
        guard parts.count == 6, let day = Int32(parts[1]), let month = months.firstIndex(of: String(parts[2])),
            let year = Int32(parts[3])
        else { return nil }
        let clock = parts[4].split(separator: ":").compactMap { Int32($0) }
        guard clock.count == 3 else { return nil }
        var time = tm()
        (time.tm_mday, time.tm_mon, time.tm_year) = (day, Int32(month), year - 1900)
        (time.tm_hour, time.tm_min, time.tm_sec) = (clock[0], clock[1], clock[2])
        return Instant(seconds: Int64(timegm(&time)))
    }
}
