import CustodyDomain
import Foundation
import Postgres

/// A settlement account as it is stored.
public struct BankAccountRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<BankAccount>
    /// Whose it is.
    public let subMerchantID: ID<SubMerchant>
    /// Its numbers and names. Personal data.
    public let details: BankAccountDetails
    /// The bank's name.
    public let bankName: String
    /// The last four digits, which may be shown.
    public let lastFour: String
    /// Whether it is a company's.
    public let isCorporate: Bool
    /// How it is verified.
    public let verification: AccountVerification
    /// Where its binding is.
    public let state: BankAccountState
    /// The custodian's number of the binding.
    public let bindingNumber: String?
    /// Until when the proof may come.
    public let expiresAt: Instant?
    /// How often it may still be wrong.
    public let triesLeft: Int?
    /// Why it failed.
    public let failure: String?
    /// The proof that waits to be handed in. Personal data.
    public let proof: AccountProofDetails?
    /// When it was given to us.
    public let createdAt: Instant

    /// Whether its binding is still on its way: one whose proof did not come in time is not.
    public func isOpen(at now: Instant) -> Bool {
        switch state {
        case .submitted, .verifying: true
        case .toVerify: expiresAt.map { $0 > now } ?? true
        case .bound, .failed, .expired, .replaced: false
        }
    }

    init(_ row: Row, _ keys: TenantKeys) throws {
        id = try row.get("id")
        subMerchantID = try row.get("sub_merchant_id")
        details = try JSONDecoder().decode(
            BankAccountDetails.self,
            from: Data(try keys.open(try row.get("personal"), in: "bank_account/personal", of: id.uuid))
        )
        bankName = try row.get("bank_name")
        lastFour = try row.get("last_four")
        isCorporate = try row.get("is_corporate")
        verification = try row.get("verification")
        state = try row.get("state")
        bindingNumber = try row.get("binding_number")
        expiresAt = try row.get("expires_at")
        triesLeft = try row.get("tries_left")
        failure = try row.get("failure_message")
        createdAt = try row.get("created_at")
        proof = try row.get("proof", as: [UInt8]?.self).map { [id] sealed in
            try JSONDecoder().decode(
                AccountProofDetails.self, from: Data(try keys.open(sealed, in: "bank_account/proof", of: id.uuid))
            )
        }
    }
}

extension TenantTransaction {
    /// Binds a settlement account, or one that is to replace the bound one, and queues it for the custodian.
    ///
    /// - Throws: ``Rejection/subMerchantNotActive(id:state:)``, ``Rejection/bankAccountPending``.
    public func bindAccount(
        to subMerchantID: ID<SubMerchant>, details: BankAccountDetails, bankName: String, isCorporate: Bool,
        verification: AccountVerification
    ) async throws -> BankAccountRecord {
        let owner = try await subMerchant(subMerchantID)
        guard owner.state == .active else {
            throw Rejection.subMerchantNotActive(id: subMerchantID.text, state: owner.state.rawValue)
        }
        try await expireBindings(of: subMerchantID)
        let id = ID<BankAccount>(at: now)
        do {
            try await run(
                """
                INSERT INTO bank_account (
                    tenant_id, id, sub_merchant_id, personal, account_index, bank_name, last_four, is_corporate, verification,
                    state, created_at, updated_at
                )
                VALUES (
                    \(tenantID), \(id), \(subMerchantID), \(try sealed(details, in: "bank_account/personal", of: id.uuid)),
                    \(keys.blindIndex(of: details.accountNumber, in: "bank_account/number")), \(bankName),
                    \(String(details.accountNumber.suffix(4))), \(isCorporate), \(verification.rawValue), 'submitted',
                    \(now), \(now)
                )
                """
            )
        } catch let error as PostgresError where error.kind == .uniqueViolation("bank_account_open") {
            throw Rejection.bankAccountPending
        }
        try await enqueue(JobRequest(.bindAccount, id))
        return try await bankAccount(id)
    }

    /// Ends bindings whose proof did not come in time.
    private func expireBindings(of subMerchantID: ID<SubMerchant>) async throws {
        for account in try await bankAccounts(of: subMerchantID)
        where account.state == .toVerify && !account.isOpen(at: now) {
            try await noteBinding(account.id, .expired)
        }
    }

    /// Takes the proof that only the account's holder can know, and queues it for the custodian.
    ///
    /// - Throws: ``Rejection/nothingToVerify(state:)``, ``Rejection/notFound``.
    public func verifyAccount(
        of subMerchantID: ID<SubMerchant>, proof: AccountProofDetails
    ) async throws -> BankAccountRecord {
        try await expireBindings(of: subMerchantID)
        guard let account = try await bankAccounts(of: subMerchantID).first else { throw Rejection.notFound }
        let changed = try await run(
            """
            UPDATE bank_account
               SET state = 'verifying', proof = \(try sealed(proof, in: "bank_account/proof", of: account.id.uuid)),
                   updated_at = \(now)
             WHERE tenant_id = \(tenantID) AND id = \(account.id) AND state = 'to_verify'
            """
        )
        guard changed == 1 else { throw Rejection.nothingToVerify(state: account.state.rawValue) }
        try await enqueue(JobRequest(.confirmAccount, account.id))
        return try await bankAccount(account.id)
    }

    /// One settlement account.
    ///
    /// - Throws: ``Rejection/notFound``.
    public func bankAccount(_ id: ID<BankAccount>) async throws -> BankAccountRecord {
        let row = try await row(
            """
            SELECT id, sub_merchant_id, personal, bank_name, last_four, is_corporate, verification, state, binding_number,
                   expires_at, tries_left, failure_message, proof, created_at
              FROM bank_account WHERE tenant_id = \(tenantID) AND id = \(id)
            """
        )
        guard let row else { throw Rejection.notFound }
        return try BankAccountRecord(row, keys)
    }

    /// The settlement accounts of a sub-merchant, the youngest first.
    public func bankAccounts(of subMerchantID: ID<SubMerchant>) async throws -> [BankAccountRecord] {
        try await rows(
            """
            SELECT id, sub_merchant_id, personal, bank_name, last_four, is_corporate, verification, state, binding_number,
                   expires_at, tries_left, failure_message, proof, created_at
              FROM bank_account WHERE tenant_id = \(tenantID) AND sub_merchant_id = \(subMerchantID)
             ORDER BY id DESC
            """
        ).map { try BankAccountRecord($0, keys) }
    }

    /// The settlement account of the custodian's binding number; nil for an unknown one.
    public func bankAccount(bindingNumber: String) async throws -> BankAccountRecord? {
        let row = try await row(
            "SELECT id FROM bank_account WHERE tenant_id = \(tenantID) AND binding_number = \(bindingNumber)"
        )
        guard let row else { return nil }
        return try await bankAccount(try row.get("id"))
    }

    /// Notes where the custodian's verification is. A bound account takes the place of the one before.
    public func noteBinding(
        _ id: ID<BankAccount>, _ state: BankAccountState, bindingNumber: String? = nil, expiresAt: Instant? = nil,
        triesLeft: Int? = nil, failure: (code: String, message: String)? = nil
    ) async throws {
        let known = try await bankAccount(id)
        guard known.state.canMove(to: state) else { return }
        if state == .bound {
            try await run(
                """
                UPDATE bank_account SET state = 'replaced', updated_at = \(now)
                 WHERE tenant_id = \(tenantID) AND sub_merchant_id = \(known.subMerchantID) AND state = 'bound'
                """
            )
        }
        let changed = try await run(
            """
            UPDATE bank_account
               SET state = \(state.rawValue), binding_number = coalesce(\(bindingNumber), binding_number),
                   expires_at = coalesce(\(expiresAt), expires_at), tries_left = coalesce(\(triesLeft), tries_left),
                   proof = CASE WHEN \(state.rawValue) = 'verifying' THEN proof END,
                   failure_code = \(failure?.code), failure_message = \(failure?.message), updated_at = \(now)
             WHERE tenant_id = \(tenantID) AND id = \(id) AND state = \(known.state.rawValue)
            """
        )
        guard changed == 1 else { return }
        try await record(
            "settlement_account.\(state.rawValue)", about: known.subMerchantID.text,
            ["last_four": .text(known.lastFour)]
        )
    }
}
