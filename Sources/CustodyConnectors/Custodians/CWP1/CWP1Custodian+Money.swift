import CustodyDomain
import CustodyWire

/// Withdrawals, freezes, transfers, money in suspense; balances and entries.
extension CWP1Custodian {
    /// WDR.CREATE.
    public func withdraw(_ withdrawal: WithdrawalInstruction, serial: String) async -> Reply<CustodianResult> {
        await exchange(
            .withdraw, serial: serial,
            body: [
                "wdrNo": .string(withdrawal.number), "subAcct": .string(withdrawal.subAccount),
                "cardBindNo": .string(withdrawal.bindingNumber), "amt": .string(withdrawal.amount.yuan),
                "fee": .string(withdrawal.fee.yuan), "speed": .string(withdrawal.speed.word),
                "memo": .string(withdrawal.memo),
            ]
        ).reading(CWP1Custodian.result)
    }

    /// FRZ.CREATE.
    public func freeze(_ freeze: FreezeInstruction, serial: String) async -> Reply<CustodianResult> {
        await exchange(
            .freeze, serial: serial,
            body: [
                "freezeNo": .string(freeze.number), "acct": .string(freeze.account),
                "amt": .string(freeze.amount.yuan), "reason": .string(freeze.reason),
                "orderNo": JSON(freeze.orderNumber),
            ]
        ).reading(CWP1Custodian.result)
    }

    /// FRZ.RELEASE.
    public func release(_ release: FreezeRelease, serial: String) async -> Reply<CustodianResult> {
        await exchange(
            .release, serial: serial,
            body: [
                "releaseNo": .string(release.number), "freezeNo": .string(release.freezeNumber),
                "amt": .string(release.amount.yuan), "reason": .string(release.reason),
            ]
        ).reading(CWP1Custodian.result)
    }

    /// XFER.CREATE.
    public func transfer(_ transfer: TransferInstruction, serial: String) async -> Reply<CustodianResult> {
        await exchange(
            .transfer, serial: serial,
            body: [
                "xferNo": .string(transfer.number), "fromAcct": .string(transfer.from),
                "toAcct": .string(transfer.to), "amt": .string(transfer.amount.yuan),
                "purpose": .string(transfer.purpose.rawValue.uppercased()), "memo": .string(transfer.memo),
            ]
        ).reading(CWP1Custodian.result)
    }

    /// SUSP.LIST.
    public func listSuspense(
        _ range: DateRange, cursor: String?, serial: String
    ) async -> Reply<Page<SuspenseEntry>> {
        await exchange(
            .listSuspense, serial: serial,
            body: [
                "fromDate": .string(range.from.compact), "toDate": .string(range.to.compact), "cursor": JSON(cursor),
            ]
        ).reading { response throws(Doubt) in
            var items: [SuspenseEntry] = []
            for item in response.body["items"]?.array ?? [] { items.append(try CWP1Custodian.suspenseEntry(item)) }
            return Page(items: items, next: response.body["next"]?.string)
        }
    }

    static func suspenseEntry(_ item: JSON) throws(Doubt) -> SuspenseEntry {
        let amount = try item.amount("amt")
        return SuspenseEntry(
            number: try item.text("bankSeqNo"), amount: amount, left: item.yuan("leftAmt") ?? amount,
            payer: item["payer"]?.string.map(CustodianText.masked), memo: item["memo"]?.string,
            bankDate: item.date("bankDate"))
    }

    /// SUSP.ASSIGN.
    public func assignSuspense(_ assignment: SuspenseAssignment, serial: String) async -> Reply<CustodianResult> {
        await exchange(
            .assignSuspense, serial: serial,
            body: [
                "assignNo": .string(assignment.number), "origBankSeqNo": .string(assignment.entryNumber),
                "acct": .string(assignment.account), "amt": .string(assignment.amount.yuan),
                "memo": .string(assignment.memo),
            ]
        ).reading(CWP1Custodian.result)
    }

    /// SUSP.UNDO.
    public func undoSuspense(assignmentNumber: String, serial: String) async -> Reply<CustodianResult> {
        await exchange(.undoSuspense, serial: serial, body: ["assignNo": .string(assignmentNumber)])
            .reading(CWP1Custodian.result)
    }

    /// BAL.QUERY.
    public func queryBalance(of account: String, serial: String) async -> Reply<CustodianBalance> {
        await exchange(.queryBalance, serial: serial, body: ["subAcct": .string(account)])
            .reading(CWP1Custodian.balance)
    }

    /// BAL.DAYEND.
    public func queryDayEndBalance(
        of account: String, on date: BusinessDate, serial: String
    ) async -> Reply<CustodianBalance> {
        await exchange(
            .queryDayEndBalance, serial: serial, body: ["subAcct": .string(account), "date": .string(date.compact)]
        ).reading(CWP1Custodian.balance)
    }

    private static func balance(_ response: CWP1Response) throws(Doubt) -> CustodianBalance {
        let body = response.body
        let withdrawable = try body.amount("withdrawable")
        return CustodianBalance(
            account: try body.text("subAcct"), total: try body.amount("total"),
            available: body.yuan("available") ?? withdrawable, withdrawable: withdrawable,
            pending: try body.amount("pending"), frozen: try body.amount("frozen"),
            inTransit: try body.amount("inTransit"))
    }

    /// TXN.LIST.
    public func listTransactions(
        of account: String, _ range: DateRange, cursor: String?, serial: String
    ) async -> Reply<Page<CustodianTransaction>> {
        await exchange(
            .listTransactions, serial: serial,
            body: [
                "subAcct": .string(account), "fromDate": .string(range.from.compact),
                "toDate": .string(range.to.compact), "cursor": JSON(cursor),
            ]
        ).reading { response throws(Doubt) in
            var items: [CustodianTransaction] = []
            for item in response.body["items"]?.array ?? [] {
                let amount = try item.amount("amt")
                items.append(
                    CustodianTransaction(
                        number: try item.text("bankSeqNo"), kind: try item.text("type"),
                        amount: item["direction"]?.string == "OUT" ? -amount : amount,
                        balance: item.yuan("balance"), businessNumber: item["bizNo"]?.string,
                        at: item.instant("time"), bankDate: item.date("bankDate")))
            }
            return Page(items: items, next: response.body["next"]?.string)
        }
    }
}

extension WithdrawalSpeed {
    /// The bank's word for it.
    fileprivate var word: String {
        switch self {
        case .sameDay: "T0"
        case .nextDay: "T1"
        case .batch: "BATCH"
        }
    }
}
