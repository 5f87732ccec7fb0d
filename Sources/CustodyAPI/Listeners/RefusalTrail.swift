import CustodyDomain
import CustodyStore
import Logging
import Synchronization

/// Puts refusals that look like an attack into the audit trail: wrong keys, forged callbacks, ids that are not the caller's.
///
/// Whoever is refused can ask as often as he likes, so what is kept of it is bounded: so many entries a minute per origin,
/// or per key where a valid one was shown, and so many in all; the rest is a line in the log. Writing them delays no answer, and their failure changes none.
final class RefusalTrail: Sendable {
    /// How many entries a minute are kept of each, and of all together.
    static let limits = (perOrigin: 30, total: 600)

    private struct Window {
        var ends = ContinuousClock.now
        var total = 0
        var counts: [String: Int] = [:]
    }

    private let store: Store
    private let logger: Logger
    private let window = Mutex(Window())

    init(store: Store, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    /// Notes a refusal.
    ///
    /// - Parameters:
    ///   - action: `refused.` and the reason's code.
    ///   - tenant: Whose data was asked for; nil when that is not known.
    func note(_ action: String, on subject: String, of tenant: ID<Tenant>?, by principal: Principal) {
        // Behind a proxy that is not named as ours everybody has one origin: whom we know counts for himself.
        guard admits(tenant == nil ? principal.origin : "\(principal.origin) \(principal.name)") else { return }
        Task { [store, logger] in
            do {
                try await store.withSystem { tx in
                    try await tx.audit(action, on: subject, of: tenant, by: principal, succeeded: false)
                }
            } catch {
                logger.warning(
                    "a refusal could not be put into the audit trail",
                    metadata: ["action": "\(action)", "request_id": "\(principal.requestID)"])
            }
        }
    }

    private func admits(_ source: String) -> Bool {
        let now = ContinuousClock.now
        return window.withLock { window in
            if now >= window.ends { window = Window(ends: now + .seconds(60)) }
            let count = window.counts[source, default: 0]
            guard count < RefusalTrail.limits.perOrigin, window.total < RefusalTrail.limits.total else {
                if count == RefusalTrail.limits.perOrigin {
                    logger.warning("more refusals than the audit trail keeps", metadata: ["source": "\(source)"])
                }
                // Who was never let in is not remembered, or remembering would be the attack.
                if count > 0 { window.counts[source] = count + 1 }
                return false
            }
            window.counts[source] = count + 1
            window.total += 1
            return true
        }
    }
}
