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
        public var failure: Failure?
        /// The version of TLS that both agreed on, such as `1.3`; nil on a plain connection. After a failure: what both would
        /// have agreed on if we believed anything.
        public var tlsVersion: String?
        /// The counterparty's certificate, believed or not.
        public var certificate: PeerCertificate?
        /// How far the counterparty's clock is ahead of ours, by its `Date`.
        public var clockOffset: Duration?
        /// What it answered, unsigned and asked for nothing.
        public var status: Int?
    }

    /// A certificate that was shown to us.
    public struct PeerCertificate: Hashable, Sendable {
        /// Whom it names.
        public let subject: String
        /// Who signed it.
        public let issuer: String
        /// The hosts and addresses it is for.
        public let names: [String]
        /// From when on it is good.
        public let start: Instant
        /// Until when it is good.
        public let end: Instant

        init(_ certificate: Certificate) {
            subject = certificate.subject.description
            issuer = certificate.issuer.description
            start = Instant(seconds: Int64(certificate.notValidBefore.timeIntervalSince1970))
            end = Instant(seconds: Int64(certificate.notValidAfter.timeIntervalSince1970))
            let alternatives = (try? certificate.extensions.subjectAlternativeNames).map { Array($0) } ?? []
            names = alternatives.compactMap { name in
                switch name {
                case .dnsName(let text): text
                case .ipAddress(let bytes): bytes.bytes.map { String($0) }.joined(separator: ".")
                default: nil
                }
            }
        }

        /// Whether it is for a host: by its very name, or by a name that begins with `*.`.
        public func isFor(_ host: String) -> Bool {
            let host = host.lowercased()
            return names.contains { name in
                let name = name.lowercased()
                guard name.hasPrefix("*."), let dot = host.firstIndex(of: ".") else { return name == host }
                return name.dropFirst() == host[dot...]
            }
        }
    }

    /// Why nobody answered.
    public enum Failure: Hashable, Sendable {
        /// The host has no address.
        case noAddress
        /// Its system says that nobody listens at the port.
        case connectionRefused
        /// The connection was made, and closed before anything was said: as to strangers.
        case closed
        /// It speaks no version of TLS that is high enough.
        case belowFloor
        /// Its certificate ended.
        case certificateEnded
        /// Its certificate is not good yet.
        case certificateNotYetGood
        /// Its certificate is for other names.
        case certificateForAnother
        /// Nobody whom we believe signed its certificate.
        case certificateNotBelieved
        /// It wants a certificate of ours, or another one.
        case ownCertificateRefused
        /// Anything else.
        case other(Doubt)
    }

    private struct Handshake {
        var version: String?
        var certificate: PeerCertificate?
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
        guard !sight.addresses.isEmpty else {
            sight.failure = .noAddress
            return sight
        }
        let observed = Observed()
        let client = try transport.route(to: host).client(observing: { observed.inspect($0) })
        var doubt: Doubt?
        do throws(Doubt) {
            let answer = try await Outbound(client: client, timeout: transport.totalTimeout).call(
                "GET", url, headers: [("User-Agent", "custody/1"), ("Accept", "*/*")])
            sight.status = answer.status
            sight.clockOffset = answer.header("Date").flatMap { LinkProbe.time(of: $0) }.map { $0 - clock() }
        } catch {
            doubt = error
        }
        try? await client.shutdown()
        let made = observed.handshake
        let isUnseen = doubt != nil && made.version == nil && url.hasPrefix("https:")
        let handshake = isUnseen ? try await believing(url, host) : made
        sight.tlsVersion = handshake.version
        sight.certificate = handshake.certificate
        sight.failure = doubt.map { failure($0, handshake, believed: made.version != nil, host: host) }
        return sight
    }

    /// Thrown once TLS is made, so that nothing is sent.
    private struct Seen: Error {}

    /// What TLS comes to when anything is believed. Nothing is sent.
    private func believing(_ url: String, _ host: String) async throws -> Handshake {
        let observed = Observed()
        let client = try transport.route(to: host).client(
            observing: { channel in observed.inspect(channel).flatMapThrowing { throw Seen() } },
            believesAnything: true)
        _ = try? await Outbound(client: client, timeout: transport.totalTimeout).call("GET", url, headers: [])
        try? await client.shutdown()
        return observed.handshake
    }

    /// What a doubt says when we waited in vain, on a connection that stands.
    private static let waits: Set<String> = [
        HTTPClientError.deadlineExceeded.shortDescription, HTTPClientError.readTimeout.shortDescription,
    ]

    private func failure(_ doubt: Doubt, _ handshake: Handshake, believed: Bool, host: String) -> Failure {
        switch doubt.detail {
        case Outbound.refusedConnection: return .connectionRefused
        case Outbound.ownCertificateRefused: return .ownCertificateRefused
        default: break
        }
        guard let version = handshake.version else {
            // Somebody was there, and hung up: when nobody is, connecting itself fails.
            let isClosed =
                doubt.reason == .noAnswer && !LinkProbe.waits.contains(doubt.detail)
                || doubt.detail == Outbound.closedInHandshake
            return isClosed ? .closed : .other(doubt)
        }
        if version != "1.3", version != "1.2" || transport.minimumTLS == .v13 { return .belowFloor }
        guard !believed, let certificate = handshake.certificate else {
            return doubt.reason == .noAnswer && !LinkProbe.waits.contains(doubt.detail) ? .closed : .other(doubt)
        }
        let now = clock()
        if certificate.end < now { return .certificateEnded }
        if certificate.start > now { return .certificateNotYetGood }
        return certificate.isFor(host) ? .certificateNotBelieved : .certificateForAnother
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
                    $0.certificate = certificate.map { PeerCertificate($0) }
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
