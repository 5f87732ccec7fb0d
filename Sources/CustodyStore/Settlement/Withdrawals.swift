import CustodyDomain
import Postgres

/// A withdrawal as it is stored.
public struct WithdrawalRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<Withdrawal>
    /// Whose income it is.
    public let subMerchantID: ID<SubMerchant>
    /// Where it goes.
    public let bankAccountID: ID<BankAccount>
    /// The platform's number, or one of ours when a settlement run made it.
    public let outWithdrawalNo: String
    /// How much.
    public let amount: Fen
    /// Our number at the custodian.
    public let serial: String
    /// Where it is.
    public let state: TransferState
    /// When the custodian paid it out.
    public let succeededAt: Instant?
    /// When it came back.
    public let returnedAt: Instant?
    /// Why it failed or came back.
    public let failure: String?
    /// When it was asked for.
    public let createdAt: Instant

    init(_ row: Row) throws {
        id = try row.get("id")
        subMerchantID = try row.get("sub_merchant_id")
        bankAccountID = try row.get("bank_account_id")
        outWithdrawalNo = try row.get("out_withdrawal_no")
        amount = try row.get("amount_fen")
        serial = try row.get("serial")
        state = try row.get("state")
        succeededAt = try row.get("succeeded_at")
        returnedAt = try row.get("returned_at")
        failure = try row.get("failure_message")
        createdAt = try row.get("created_at")
    }
}

extension TenantTransaction {
    /// Sets available income aside, and queues its payout to the bound account.
    ///
    /// - Returns: The withdrawal; the one stored before when the same was asked under the same number.
    /// - Throws: ``Rejection/subMerchantNotActive(id:state:)`` (a frozen one receives, but cannot withdraw),
    ///   ``Rejection/bankAccountNotBound``, ``Rejection/insufficientFunds(account:available:requested:)``,
    ///   ``Rejection/numberReused(field:)``.
    public func createWithdrawal(
        of subMerchantID: ID<SubMerchant>, outWithdrawalNo: String, amount: Fen, run runID: ID<SettlementRun>? = nil
    ) async throws -> WithdrawalRecord {
        if let known = try await withdrawals(outWithdrawalNo: outWithdrawalNo, before: nil, limit: 1).first {
            guard known.subMerchantID == subMerchantID, known.amount == amount else {
                throw Rejection.numberReused(field: "out_withdrawal_no")
            }
            return known
        }
        let owner = try await subMerchant(subMerchantID)
        guard amount > .zero else { throw Rejection.invalidField(pointer: "/amount", reason: "must be positive") }
        guard owner.state == .active else {
            throw Rejection.subMerchantNotActive(id: subMerchantID.text, state: owner.state.rawValue)
        }
        // A change of account freezes withdrawals until it is verified.
        guard let account = try await bankAccounts(of: subMerchantID).first(where: { $0.state == .bound }),
            try await bankAccounts(of: subMerchantID).allSatisfy({ !$0.isOpen(at: now) })
        else { throw Rejection.bankAccountNotBound }
        let available = try await balance(of: .available(.subMerchant(subMerchantID)))
        guard available >= amount else {
            throw Rejection.insufficientFunds(account: "available", available: available, requested: amount)
        }
        let id = ID<Withdrawal>(at: now)
        try await run(
            """
            INSERT INTO withdrawal (
                tenant_id, id, sub_merchant_id, bank_account_id, out_withdrawal_no, amount_fen, serial, state,
                settlement_run_id, created_at
            )
            VALUES (
                \(tenantID), \(id), \(subMerchantID), \(account.id), \(outWithdrawalNo), \(amount),
                \(TenantTransaction.serial(of: id)), 'requested', \(runID), \(now)
            )
            """
        )
        let party = Account.Party.subMerchant(subMerchantID)
        var entry = LedgerEntry("withdrawal.requested", subject: id.uuid.text, on: today)
        entry.move(amount, debit: .available(party), credit: .withdrawing(party))
        try await book(entry)
        try await enqueue(JobRequest(.sendWithdrawal, id))
        return try await withdrawal(id)
    }

    /// One withdrawal.
    ///
    /// - Throws: ``Rejection/notFound``.
    public func withdrawal(_ id: ID<Withdrawal>, locked: Bool = false) async throws -> WithdrawalRecord {
        if locked {
            try await run("SELECT FROM withdrawal WHERE tenant_id = \(tenantID) AND id = \(id) FOR NO KEY UPDATE")
        }
        let row = try await row(
            """
            SELECT id, sub_merchant_id, bank_account_id, out_withdrawal_no, amount_fen, serial, state, succeeded_at,
                   returned_at, failure_message, created_at
              FROM withdrawal WHERE tenant_id = \(tenantID) AND id = \(id)
            """
        )
        guard let row else { throw Rejection.notFound }
        return try WithdrawalRecord(row)
    }

    /// Withdrawals, the youngest first, in pages.
    public func withdrawals(
        subMerchant: ID<SubMerchant>? = nil, outWithdrawalNo: String? = nil, state: TransferState? = nil,
        before: ID<Withdrawal>?, limit: Int
    ) async throws -> [WithdrawalRecord] {
        try await rows(
            """
            SELECT id, sub_merchant_id, bank_account_id, out_withdrawal_no, amount_fen, serial, state, succeeded_at,
                   returned_at, failure_message, created_at
              FROM withdrawal
             WHERE tenant_id = \(tenantID)
               AND (\(subMerchant)::uuid IS NULL OR sub_merchant_id = \(subMerchant)::uuid)
               AND (\(outWithdrawalNo)::text IS NULL OR out_withdrawal_no = \(outWithdrawalNo))
               AND (\(state?.rawValue)::text IS NULL OR state = \(state?.rawValue))
               AND (\(before)::uuid IS NULL OR id < \(before)::uuid)
             ORDER BY id DESC LIMIT \(limit)
            """
        ).map(WithdrawalRecord.init)
    }

    /// Notes that the custodian has the withdrawal.
    public func noteWithdrawalProcessing(_ id: ID<Withdrawal>) async throws {
        try await run(
            "UPDATE withdrawal SET state = 'processing' WHERE tenant_id = \(tenantID) AND id = \(id) AND state = 'requested'"
        )
    }

    /// Books that the custodian paid out; once, however often it is said. Returns are watched for from now on.
    public func succeedWithdrawal(_ id: ID<Withdrawal>, bankNumber: String?) async throws {
        let withdrawal = try await withdrawal(id, locked: true)
        guard withdrawal.state == .requested || withdrawal.state == .processing else { return }
        try await run(
            """
            UPDATE withdrawal SET state = 'succeeded', succeeded_at = \(now), bank_number = \(bankNumber)
             WHERE tenant_id = \(tenantID) AND id = \(id)
            """
        )
        var entry = LedgerEntry("withdrawal.succeeded", subject: id.uuid.text, on: today)
        entry.move(withdrawal.amount, debit: .withdrawing(.subMerchant(withdrawal.subMerchantID)), credit: .bankCash)
        try await book(entry)
        try await record(
            "withdrawal.succeeded", about: id.text,
            ["out_withdrawal_no": .text(withdrawal.outWithdrawalNo), "amount": .fen(withdrawal.amount)]
        )
        try await enqueue(JobRequest(.watchWithdrawal, id), at: now + .seconds(86_400))
    }

    /// Books that the custodian did not pay out: the income is available again.
    public func failWithdrawal(_ id: ID<Withdrawal>, code: String, message: String) async throws {
        let withdrawal = try await withdrawal(id, locked: true)
        guard withdrawal.state == .requested || withdrawal.state == .processing else { return }
        try await run(
            """
            UPDATE withdrawal SET state = 'failed', failure_code = \(code), failure_message = \(message)
             WHERE tenant_id = \(tenantID) AND id = \(id)
            """
        )
        let party = Account.Party.subMerchant(withdrawal.subMerchantID)
        var entry = LedgerEntry("withdrawal.failed", subject: id.uuid.text, on: today)
        entry.move(withdrawal.amount, debit: .withdrawing(party), credit: .available(party))
        try await book(entry)
        try await record("withdrawal.failed", about: id.text, ["code": .text(code)])
    }

    /// Books that a paid withdrawal came back (退票): the income is available again.
    ///
    /// One that was not known to have succeeded yet succeeds first, so that both movements stand in the books.
    public func returnWithdrawal(_ id: ID<Withdrawal>, number: String, reason: String) async throws {
        try await succeedWithdrawal(id, bankNumber: nil)
        let withdrawal = try await withdrawal(id, locked: true)
        guard withdrawal.state == .succeeded else { return }
        try await run(
            """
            UPDATE withdrawal
               SET state = 'returned', returned_at = \(now), return_number = \(number), failure_message = \(reason)
             WHERE tenant_id = \(tenantID) AND id = \(id)
            """
        )
        var entry = LedgerEntry("withdrawal.returned", subject: id.uuid.text, on: today)
        entry.move(withdrawal.amount, debit: .bankCash, credit: .available(.subMerchant(withdrawal.subMerchantID)))
        try await book(entry)
        try await record(
            "withdrawal.returned", about: id.text,
            [
                "out_withdrawal_no": .text(withdrawal.outWithdrawalNo), "amount": .fen(withdrawal.amount),
                "reason": .text(reason),
            ]
        )
    }
}
