import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes

/// Withdrawals and settlement runs (结算).
struct SettlementRoutes {
    let store: Store

    var routes: [Route] {
        let (read, write) = (Route.Access.platform(scope: "read"), Route.Access.platform(scope: "write"))
        return [
            Route(.post, "/v1/withdrawals", write, withdraw),
            Route(.get, "/v1/withdrawals", read, list),
            Route(.get, "/v1/withdrawals/{id}", read, show),
            Route(.get, "/v1/settlement-runs", read, runs),
        ]
    }

    @Sendable private func withdraw(_ call: Call) async throws -> Reply {
        let (number, owner, amount) = try call.read { fields throws(Rejection) in
            let number = try fields.number("out_withdrawal_no")
            let owner = try fields.id("sub_merchant", of: SubMerchant.self)
            return (number, owner, try fields.amount())
        }
        return try await store.perform(call, audited: ("withdrawal.create", number)) { tx in
            Outcome(.accepted, try await tx.createWithdrawal(of: owner, outWithdrawalNo: number, amount: amount).json)
        }
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        var query = try Query(call)
        let owner: ID<SubMerchant>? = try query.id("sub_merchant")
        let number = try query.text("out_withdrawal_no")
        let state: TransferState? = try query.word("state")
        let page = try query.page(of: Withdrawal.self)
        try query.end()
        let found = try await store.look(call) {
            try await $0.withdrawals(
                subMerchant: owner, outWithdrawalNo: number, state: state, before: page.cursor, limit: page.fetched)
        }
        return page.reply(found, id: \.id, \.json)
    }

    @Sendable private func show(_ call: Call) async throws -> Reply {
        let id: ID<Withdrawal> = try call.id()
        return Reply(.ok, try await store.look(call) { try await $0.withdrawal(id) }.json)
    }

    @Sendable private func runs(_ call: Call) async throws -> Reply {
        var query = try Query(call)
        let page = try query.page(of: SettlementRun.self)
        try query.end()
        let found = try await store.look(call) {
            try await $0.settlementRuns(before: page.cursor, limit: page.fetched)
        }
        return page.reply(found, id: \.id, \.json)
    }
}
