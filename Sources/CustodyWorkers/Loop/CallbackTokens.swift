import CustodyDomain
import CustodyStore

/// The secret part of a tenant's callback addresses, remembered: it never changes.
actor CallbackTokens {
    private let store: Store
    private var known: [ID<Tenant>: String] = [:]

    init(store: Store) { self.store = store }

    func token(of id: ID<Tenant>) async throws -> String {
        if let token = known[id] { return token }
        let tenants = try await store.withSystem { tx in try await tx.tenants() }
        for tenant in tenants { known[tenant.id] = tenant.callbackToken }
        guard let token = known[id] else { throw Rejection.notFound }
        return token
    }
}
