import CustodyConnectors
import CustodyDomain
import CustodyStore
import Synchronization

/// The accounts that a custodian is known to pay splits out to, remembered by this process.
final class KnownReceivers: Sendable {
    private let accounts = Mutex<Set<String>>([])

    func contains(_ account: String) -> Bool { accounts.withLock { $0.contains(account) } }

    func insert(_ account: String) { accounts.withLock { _ = $0.insert(account) } }
}

extension Counterparties.CustodianAccess {
    /// Parts of an order in the custodian's terms: by the accounts that it keeps for their parties.
    func parts(
        _ parts: [(number: Int, owner: ID<SubMerchant>?, amount: Fen)], in tx: TenantTransaction
    ) async throws -> [OrderRegistration.Part] {
        let accounts = try await tx.subAccounts(of: Set(parts.compactMap(\.owner)))
        return parts.map { part in
            OrderRegistration.Part(
                number: String(part.number), account: part.owner.flatMap { accounts[$0] } ?? commissionAccount,
                amount: part.amount, isCommission: part.owner == nil
            )
        }
    }

    /// Those who give back what, in the custodian's terms.
    func givers(
        _ parts: [(number: Int, owner: ID<SubMerchant>?, amount: Fen)], in tx: TenantTransaction
    ) async throws -> [RefundRegistration.Giver] {
        try await self.parts(parts, in: tx)
            .map { .init(partNumber: $0.number, account: $0.account, amount: $0.amount) }
    }

    /// Whether it verifies settlement accounts by what the platform hands in.
    var takesProofs: Bool { !custodian.capabilities.verifications.isDisjoint(with: [.smallAmount, .smsCode]) }

    /// The operation that splits an order here: a split, or the confirmation that carries out what was said with the order.
    var splitOperation: CustodianOperation {
        custodian.capabilities.operations.contains(.split) ? .split : .confirmSettlement
    }

    /// Splits what is held of an order; the commission's account is made able to receive first, where that is needed.
    ///
    /// - Parameter isAwaited: Whether the order waits for the confirmation of its receipt, which this split then is.
    func split(_ split: SplitInstruction, isAwaited: Bool, serial: String) async -> Reply<CustodianResult> {
        guard splitOperation == .confirmSettlement else {
            if split.items.contains(where: \.isCommission), let obstacle = await welcomePlatform(serial) {
                return obstacle
            }
            guard custodian.capabilities.confirmsFirst, isAwaited else {
                return await custodian.split(split, serial: serial)
            }
            return await confirmAndSplit(split, serial: serial)
        }
        return await custodian.confirmSettlement(
            SettlementConfirmation(
                number: split.number, orderNumber: split.orderNumber, parts: split.isWhole ? [] : split.items),
            serial: serial)
    }

    /// Confirms what is split, and then splits it; doing both again changes nothing.
    private func confirmAndSplit(_ split: SplitInstruction, serial: String) async -> Reply<CustodianResult> {
        let confirmed = await custodian.confirmSettlement(
            SettlementConfirmation(number: split.number, orderNumber: split.orderNumber, parts: split.items),
            serial: serial)
        guard case .answered(let result) = confirmed, result.state == .succeeded,
            split.items.contains(where: \.isCommission)
        else {
            // What is confirmed is the payee's, if nobody else gets anything.
            return confirmed
        }
        return await custodian.split(split, serial: serial)
    }

    /// Makes the platform able to receive its commission, once per process; saying it again changes nothing.
    ///
    /// - Returns: Why it is not; nil when it is.
    private func welcomePlatform(_ serial: String) async -> Reply<CustodianResult>? {
        guard custodian.capabilities.operations.contains(.addReceiver), !receivers.contains(commissionAccount) else {
            return nil
        }
        let receiver = SplitReceiver(
            kind: .merchant, account: commissionAccount, name: commissionHolder, relation: "PLATFORM")
        let reply = await custodian.addReceiver(receiver, serial: "R" + serial.dropFirst())
        if case .answered(let result) = reply, result.state == .succeeded {
            receivers.insert(commissionAccount)
            return nil
        }
        return reply
    }

    /// Asks what became of an instruction.
    ///
    /// - Parameter subject: What it was about, for custodians that keep no numbers of instructions.
    /// - Returns: The answer; nil where there is no question, because sending it again is answered with what it came to.
    func ask(
        _ operation: CustodianOperation, _ instruction: InstructionRecord, about subject: InstructionSubject
    ) async -> Reply<Verdict>? {
        let capabilities = custodian.capabilities
        guard !capabilities.repeatable.contains(operation) else { return nil }
        let sentAt = instruction.sentAt ?? instruction.dueAt
        return await custodian.query(
            operation, serial: instruction.serial, sentOn: BusinessDate(of: sentAt), about: subject
        ).map { result in
            guard case .absent(nil) = result.state else { return Verdict(result) }
            // It does not say from when on that means that it never came.
            return .absent(safeAfter: sentAt + capabilities.deadlines.absenceBelieved)
        }
    }
}
