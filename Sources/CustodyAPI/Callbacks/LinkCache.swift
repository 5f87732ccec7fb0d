import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Synchronization

/// Remembers for a few seconds whose a callback's address is and how its counterparty signs, so that a burst of callbacks
/// costs one look-up, and a forged one nothing but its check.
final class LinkCache: Sendable {
    /// How long a link is believed: a rotated key counts soon.
    static let lifetime = Duration.seconds(5)
    /// How many are kept.
    private static let capacity = 1000

    /// What is known of a callback's address.
    struct Entry: Sendable {
        /// Whose it is.
        let tenantID: ID<Tenant>
        /// How they sign.
        let link: Link
        /// Where callbacks may come from; empty is anywhere.
        let sources: [AddressRange]
        /// The database's clock when this was read: signatures carry real time, not the platform's test clock's.
        fileprivate let readAt: (database: Instant, here: ContinuousClock.Instant)

        /// The database's clock.
        var now: Instant { readAt.database + (ContinuousClock.now - readAt.here) }
    }

    /// How a counterparty signs, its keys read; nil keys cannot be read.
    enum Link: Sendable {
        case weChatPay(WeChatPayVerifier?)
        case alipay(AlipayLink, AlipayKeys?)
        case cwp1(CWP1Link)
        case ccb(CCBLink)
    }

    private struct Place: Hashable {
        let token: String
        let counterparty: Counterparty
    }

    private let store: Store
    private let entries = Mutex<[Place: Entry]>([:])
    /// Look-ups under way: whoever comes meanwhile waits for the same one, also when a burst finds an entry too old.
    private let loading = Mutex<[Place: Task<Entry?, any Error>]>([:])

    init(store: Store) { self.store = store }

    /// What is known of an address; nil when there is no such platform, or it has no such link.
    func entry(of token: String, _ counterparty: Counterparty) async throws -> Entry? {
        let place = Place(token: token, counterparty: counterparty)
        if let known = entries.withLock({ $0[place] }), known.readAt.here + LinkCache.lifetime > .now { return known }
        let task = loading.withLock { loading in
            if let task = loading[place] { return task }
            let task = Task { [self] in
                defer { self.loading.withLock { $0[place] = nil } }
                return try await load(place)
            }
            loading[place] = task
            return task
        }
        return try await task.value
    }

    private func load(_ place: Place) async throws -> Entry? {
        let (token, counterparty) = (place.token, place.counterparty)
        let (now, tenantID) = try await store.withSystem { tx in
            (tx.now, try await tx.tenant(callbackToken: token))
        }
        guard let tenantID else { return nil }
        let here = ContinuousClock.now
        let (bytes, certificates): (Data, [PlatformCertificate])
        do {
            (bytes, certificates) = try await store.withTenant(tenantID) { tx in
                (Data(try await tx.link(counterparty)), try await tx.platformCertificates(of: counterparty))
            }
        } catch Rejection.linkMissing {
            return nil
        }
        let entry = Entry(
            tenantID: tenantID, link: try LinkCache.link(to: counterparty, bytes, certificates, at: now),
            sources: try JSONDecoder().decode(Transport.Holder.self, from: bytes).transport.callbackSources,
            readAt: (now, here))
        entries.withLock { entries in
            if entries.count >= LinkCache.capacity { entries.removeAll() }
            entries[place] = entry
        }
        return entry
    }

    private static func link(
        to counterparty: Counterparty, _ bytes: Data, _ certificates: [PlatformCertificate], at now: Instant
    ) throws -> Link {
        switch counterparty {
        case .weChatPay:
            return weChatPay(try? JSONDecoder().decode(WeChatPayLink.self, from: bytes), certificates)
        case .alipay: return alipay(try JSONDecoder().decode(AlipayLink.self, from: bytes), at: now)
        case .bank:
            switch try JSONDecoder().decode(CustodianLink.self, from: bytes) {
            case .cwp1(let link): return .cwp1(link)
            case .ccb(let link): return .ccb(link)
            case .weChatEcommerce(let link): return weChatPay(link, certificates)
            case .alipayDirect(let link): return alipay(link, at: now)
            }
        }
    }

    private static func weChatPay(_ link: WeChatPayLink?, _ certificates: [PlatformCertificate]) -> Link {
        guard let link else { return .weChatPay(nil) }
        var verifier = try? WeChatPayVerifier(link)
        if link.usesCertificates {
            // What was downloaded was read then: it is readable.
            try? verifier?.add(
                certificates.map { .init(key: .init(serial: $0.serial, pem: $0.pem), validity: $0.validity) })
        }
        return .weChatPay(verifier)
    }

    private static func alipay(_ link: AlipayLink, at now: Instant) -> Link {
        .alipay(link, try? AlipayKeys(link: link, now: now))
    }
}
