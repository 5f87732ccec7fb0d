import Crypto
import CustodyStore
import Foundation
import Synchronization

/// Remembers for a few seconds whose key is whose, so that a request costs no look-up and a revoked key still dies quickly.
final class KeyCache: Sendable {
    /// How long an answer is believed.
    static let lifetime = Duration.seconds(5)
    /// How many are kept; more than that many keys at once is an attack or a very large deployment.
    private static let capacity = 10_000

    private struct Entry {
        let identity: KeyIdentity
        let expires: ContinuousClock.Instant
    }

    private let store: Store
    private let entries = Mutex<[SHA256Digest: Entry]>([:])

    init(store: Store) { self.store = store }

    /// Tells whose key this is; nil for none that is valid.
    func identity(of key: String) async throws -> KeyIdentity? {
        guard key.utf8.count <= 128 else { return nil }
        // By its hash, so that a dump of our memory holds no keys.
        let digest = SHA256.hash(data: Data(key.utf8))
        let now = ContinuousClock.now
        if let known = entries.withLock({ $0[digest] }), known.expires > now { return known.identity }
        let identity = try await store.withSystem { try await $0.identify(key: key) }
        entries.withLock { entries in
            if entries.count >= KeyCache.capacity { entries = entries.filter { $0.value.expires > now } }
            guard let identity, entries.count < KeyCache.capacity else {
                entries[digest] = nil
                return
            }
            entries[digest] = Entry(identity: identity, expires: now + KeyCache.lifetime)
        }
        return identity
    }
}
