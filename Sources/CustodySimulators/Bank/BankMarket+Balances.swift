import CustodyDomain
import CustodyWire

/// What a sub-account holds.
struct BankBalance: Sendable {
    var pending = Fen.zero
    var withdrawable = Fen.zero
    var frozen = Fen.zero
    /// What of it has not arrived yet.
    var inTransit = Fen.zero

    var total: Fen { pending + withdrawable + frozen }
}

/// Balances.
extension BankMarket {
    /// What one sub-account holds.
    func balance(of account: String) -> BankBalance { balances()[account] ?? BankBalance() }

    /// What every sub-account holds.
    func balances() -> [String: BankBalance] {
        var found = accounts.mapValues { _ in BankBalance() }
        for (pocket, amount) in book.balances {
            switch pocket {
            case .frozen(let account, let order):
                found[account, default: .init()].frozen += amount
                if orders[order]?.funding == nil { found[account, default: .init()].inTransit += amount }
            case .pending(let account, let order):
                found[account, default: .init()].pending += amount
                if orders[order]?.funding == nil { found[account, default: .init()].inTransit += amount }
            case .blocked(let account, _): found[account, default: .init()].frozen += amount
            case .withdrawable(let account): found[account, default: .init()].withdrawable += amount
            default: break
            }
        }
        return found
    }

    /// What channels still owe, less what they will keep for refunds.
    var inTransitIn: Fen { book[.receivable] - book[.refundsInTransit] }

    /// The rows of a BAL file now.
    func balanceRows() -> [[String]] {
        func row(_ account: String, _ type: String, _ balance: BankBalance) -> [String] {
            [account, type]
                + [balance.total, balance.pending, balance.withdrawable, balance.frozen, balance.inTransit].map {
                    String($0.value)
                }
        }
        func row(_ account: String, _ type: String, total: Fen, inTransit: Fen = .zero) -> [String] {
            [account, type, String(total.value), "0", "0", "0", String(inTransit.value)]
        }
        // Function accounts that were never used are not printed.
        let printed = balances().filter { account, balance in
            let kind = accounts[account]?.kind
            return (kind != .marketing && kind != .guarantee) || balance.total != .zero
        }
        var rows = printed.sorted { $0.key < $1.key }.map {
            row($0.key, accounts[$0.key]?.kind.rawValue ?? "MERCHANT", $0.value)
        }
        rows.append(row(suspenseAccount, "SUSPENSE", total: book[.suspense]))
        rows.append(row(depositAccount, "DEPOSIT", total: book[.deposit]))
        rows.append(row(marketID + "OUT001", "IN_TRANSIT_OUT", total: book[.inTransitOut]))
        rows.append(row(masterAccount, "MASTER", total: book[.master], inTransit: inTransitIn))
        return rows
    }

    /// The state of the books for whoever proves something.
    func proof() -> JSON {
        let subAccounts = balances().sorted { $0.key < $1.key }.map { account, balance -> JSON in
            ([
                "sub_acct": .string(account), "type": .string(accounts[account]?.kind.rawValue ?? "MERCHANT"),
                "merchant_no": JSON(accounts[account]?.merchantNumber), "total_fen": JSON(balance.total.value),
                "pending_fen": JSON(balance.pending.value), "withdrawable_fen": JSON(balance.withdrawable.value),
                "frozen_fen": JSON(balance.frozen.value), "in_transit_fen": JSON(balance.inTransit.value),
            ] as JSON).omittingNulls
        }
        return [
            "market_id": .string(marketID), "master_fen": JSON(book[.master].value),
            "sub_accounts": .array(subAccounts), "suspense_fen": JSON(book[.suspense].value),
            "deposit_fen": JSON(book[.deposit].value), "platform_owes": .bool(book[.deposit] < .zero),
            "in_transit_in_fen": JSON(inTransitIn.value), "receivable_fen": JSON(book[.receivable].value),
            "refunds_in_transit_fen": JSON(book[.refundsInTransit].value),
            "in_transit_out_fen": JSON(book[.inTransitOut].value), "unknown_items": JSON(unknownItems.count),
            "invariant_ok": .bool(book.isSound),
        ]
    }
}
