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
        case weChatPay(WeChatPayLink)
        case alipay(AlipayLink)
        case bank(CWP1Link)
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
        let bytes = Data(try await store.withTenant(tenantID) { try await $0.link(counterparty) })
        let link: Link
        switch counterparty {
        case .weChatPay: link = .weChatPay(try JSONDecoder().decode(WeChatPayLink.self, from: bytes))
        case .alipay: link = .alipay(try JSONDecoder().decode(AlipayLink.self, from: bytes))
        case .bank: link = .bank(try JSONDecoder().decode(CWP1Link.self, from: bytes))
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
