import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Synchronization

/// Remembers for a few seconds how a platform's counterparties sign, so that a burst of callbacks costs one look-up.
final class LinkCache: Sendable {
    /// How long a link is believed: a rotated key counts soon.
    static let lifetime = Duration.seconds(5)
    /// How many are kept.
    private static let capacity = 1000

    /// What is known of a link.
    struct Entry: Sendable {
        /// The link.
        let link: Link
        /// Where callbacks may come from; empty is anywhere.
        let sources: [AddressRange]
    }

    /// A link, decoded.
    enum Link: Sendable {
        /// Its keys, and the certificates that were downloaded.
        case weChatPay(WeChatPayVerifier)
        case alipay(AlipayLink)
        case bank(CustodianLink)
    }

    private struct Place: Hashable {
        let tenantID: ID<Tenant>
        let counterparty: Counterparty
    }

    private let store: Store
    private let entries = Mutex<[Place: (entry: Entry, expires: ContinuousClock.Instant)]>([:])

    init(store: Store) { self.store = store }

    /// How a platform's counterparty signs.
    ///
    /// - Throws: ``Rejection/linkMissing(counterparty:)``, and what decoding throws.
    func link(of tenantID: ID<Tenant>, _ counterparty: Counterparty) async throws -> Entry {
        let place = Place(tenantID: tenantID, counterparty: counterparty)
        let now = ContinuousClock.now
        if let known = entries.withLock({ $0[place] }), known.expires > now { return known.entry }
        let (stored, certificates) = try await store.withTenant(tenantID) { tx in
            (try await tx.link(counterparty), try await tx.platformCertificates(of: counterparty))
        }
        let bytes = Data(stored)
        let link: Link
        switch counterparty {
        case .weChatPay:
            let decoded = try JSONDecoder().decode(WeChatPayLink.self, from: bytes)
            var verifier = try WeChatPayVerifier(decoded)
            if decoded.usesCertificates {
                try verifier.add(
                    certificates.map { .init(key: .init(serial: $0.serial, pem: $0.pem), validity: $0.validity) })
            }
            link = .weChatPay(verifier)
        case .alipay: link = .alipay(try JSONDecoder().decode(AlipayLink.self, from: bytes))
        case .bank: link = .bank(try JSONDecoder().decode(CustodianLink.self, from: bytes))
        }
        let entry = Entry(
            link: link,
            sources: try JSONDecoder().decode(Transport.Holder.self, from: bytes).transport.callbackSources)
        entries.withLock { entries in
            if entries.count >= LinkCache.capacity { entries.removeAll() }
            entries[place] = (entry, now + LinkCache.lifetime)
        }
        return entry
    }
}
