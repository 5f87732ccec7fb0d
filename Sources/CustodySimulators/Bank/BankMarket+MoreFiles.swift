import CustodyDomain
import CustodyWire

/// A share of an order that an account got, or gave back, as the files tell it.
struct BankShare {
    let bankNumber: String
    let number: String
    let splitNumber: String
    let order: String
    let subOrder: String
    let account: String
    let isBack: Bool
    let amount: Fen
    let failure: BankFailure?
    let context: BankContext
}

/// Why an item of something failed.
struct BankFailure {
    let code: String
    let message: String
}

/// What happened to a binding, as the files tell it.
struct BankCardEvent {
    let number: String
    let state: String
    let context: BankContext
}

/// Daily files beyond those of orders and withdrawals.
extension BankMarket {
    func shareRows(_ date: BusinessDate) -> [[String]] {
        shares.filter { $0.context.bankDate == date }.map { share in
            [
                share.bankNumber, share.number, share.splitNumber, share.order, share.subOrder, share.account,
                share.isBack ? "OUT" : "IN", String(share.amount.value), share.failure == nil ? "SUCCESS" : "FAILED",
                share.failure?.code ?? "", share.failure?.message ?? "", date.compact,
                share.context.at.shanghaiCompact,
            ]
        }
    }

    func shareSumRows(_ date: BusinessDate) -> [[String]] {
        let received = shares.filter { $0.context.bankDate == date && !$0.isBack && $0.failure == nil }
        return Dictionary(grouping: received, by: \.account).sorted { $0.key < $1.key }.map { account, shares in
            [
                account, accounts[account]?.kind.rawValue ?? "MERCHANT", String(shares.count),
                String(shares.map(\.amount).sum().value), date.compact,
            ]
        }
    }

    func masterRows(_ date: BusinessDate) -> [[String]] {
        book.entries.filter { $0.account == masterAccount && $0.context.bankDate == date }.map { entry in
            [
                "E\(entry.number)", entry.context.number, entry.context.type, entry.amount < .zero ? "OUT" : "IN",
                String(abs(entry.amount.value)), String(entry.balance.value), "", date.compact,
                entry.context.at.shanghaiCompact,
            ]
        }
    }

    func cardRows(_ date: BusinessDate) -> [[String]] {
        cardEvents.filter { $0.context.bankDate == date }.compactMap { event in
            guard let card = cards[event.number] else { return nil }
            let isFailed = event.state == "FAILED" || event.state == "EXPIRED"
            return [
                event.number, event.context.number.isEmpty ? event.number : event.context.number, card.account,
                event.number, card.mask, event.state == "UNBOUND" ? "UNBIND" : "BIND",
                isFailed ? "FAILED" : "SUCCESS", isFailed ? "B2101" : "", isFailed ? event.state : "", date.compact,
                event.context.at.shanghaiCompact,
            ]
        }
    }

    func stockRows(_ date: BusinessDate) -> [[String]] {
        batches.filter { $0.value.finishedOn == date && $0.value.type == "STOCK" }.sorted { $0.key < $1.key }
            .flatMap { batch in
                batch.value.rows.enumerated().map { index, row -> [String] in
                    let line = String(index + 1)
                    let failure = batch.value.failures.first { $0["line"]?.string == line }
                    let merchant = JSON.object(row)["merchantNo"]?.string ?? ""
                    return [
                        line, merchant.isEmpty ? "-" : merchant,
                        failure == nil ? merchants[merchant]?.account ?? "" : "",
                        failure == nil ? "IMPORTED" : "FAILED", failure?["failCode"]?.string ?? "",
                        failure?["failMsg"]?.string ?? "",
                    ]
                }
            }
    }
}
