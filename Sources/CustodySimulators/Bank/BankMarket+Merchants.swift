import CustodyDomain
import CustodyWire

/// A merchant under review or open.
struct BankMerchant {
    var state = "CHECKING"
    var name: String
    let applyNumber: String
    var account: String?
    var items: JSON?
    var finishBy: Instant
    /// A merchant the platform had before: it may receive, and withdraw once it has confirmed.
    var isStock = false
}

/// A sub-account and whose it is.
struct BankAccount {
    enum Kind: String { case merchant = "MERCHANT", fee = "FEE", marketing = "MARKETING", guarantee = "GUARANTEE" }
    let kind: Kind
    let merchantNumber: String?
    /// The binding in force.
    var card: String?
}

/// Merchants.
extension BankMarket {
    mutating func openMerchant(_ body: JSON, now: Instant) throws(BankRefusal) -> BankInstruction.Subject {
        let number = try body.field("merchantNo")
        let name = body["name"]?.string ?? merchants[number]?.name ?? ""
        guard !name.isEmpty else { throw BankRefusal("100001", "name is required") }
        if let known = merchants[number], known.state != "REJECTED" {
            throw BankRefusal("100202", "merchantNo is known and not rejected")
        }
        merchants[number] = BankMerchant(
            name: name, applyNumber: nextNumber("A", now), finishBy: now + terms.reviewStep * 4)
        effects.append(.schedule(.advanceMerchant(number), at: now + terms.reviewStep))
        return .merchant(number)
    }

    mutating func advanceMerchant(_ number: String, now: Instant) {
        guard var merchant = merchants[number] else { return }
        switch merchant.state {
        case "CHECKING": merchant.state = "VERIFYING"
        case "VERIFYING": merchant.state = "REVIEWING"
        case "REVIEWING":
            if let rule = rejectionRules.first(where: { merchant.name.contains($0.name) }) {
                merchant.state = "REJECTED"
                merchant.items = rule.items
            } else {
                merchant.account = openAccount(number)
                if let days = terms.signatureDays {
                    merchant.state = "SIGNING"
                    merchant.finishBy = now + .seconds(days * 86_400)
                    effects.append(.schedule(.expireSignature(number), at: merchant.finishBy))
                } else {
                    merchant.state = "ACTIVE"
                }
            }
        default: return
        }
        merchants[number] = merchant
        if ["CHECKING", "VERIFYING", "REVIEWING"].contains(merchant.state) {
            effects.append(.schedule(.advanceMerchant(number), at: now + terms.reviewStep))
        }
        effects.append(.notify(txnCode: "MCH.NOTIFY", body: merchantBody(number)))
    }

    /// The number of a fresh sub-account of a merchant.
    mutating func openAccount(_ merchant: String?) -> String {
        let index = String(accounts.count + 7)
        let account = marketID + String(repeating: "0", count: max(0, 6 - index.count)) + index
        accounts[account] = BankAccount(kind: .merchant, merchantNumber: merchant)
        return account
    }

    mutating func closeMerchant(_ body: JSON) throws(BankRefusal) -> BankInstruction.Subject {
        let number = try body.field("merchantNo")
        _ = try body.field("reason")
        guard var merchant = merchants[number], merchant.state != "CLOSED" else {
            throw BankRefusal("100203", "no such merchant to close")
        }
        if let account = merchant.account {
            var reasons: [String] = []
            let balance = self.balance(of: account)
            if balance.pending + balance.withdrawable + balance.frozen != .zero { reasons.append("BALANCE") }
            if withdrawals.values.contains(where: { $0.account == account && $0.state == "PROCESSING" }) {
                reasons.append("WITHDRAWAL")
            }
            guard reasons.isEmpty else {
                throw BankRefusal("100401", "blocked by " + reasons.joined(separator: ", "))
            }
        }
        merchant.state = "CLOSED"
        merchants[number] = merchant
        effects.append(.notify(txnCode: "MCH.NOTIFY", body: merchantBody(number)))
        return .fixed(["status": "SUCCESS", "merchantNo": .string(number)])
    }

    /// Freezes or releases a merchant, as the bank's risk control does.
    mutating func setFrozen(_ number: String, _ isFrozen: Bool) -> Bool {
        guard let state = merchants[number]?.state, state == (isFrozen ? "ACTIVE" : "FROZEN") else { return false }
        merchants[number]?.state = isFrozen ? "FROZEN" : "ACTIVE"
        effects.append(.notify(txnCode: "MCH.CONTROL.NOTIFY", body: merchantBody(number)))
        return true
    }

    func merchantBody(_ number: String) -> JSON {
        guard let merchant = merchants[number] else { return ["status": "NOT_FOUND", "merchantNo": .string(number)] }
        let isFinal = ["ACTIVE", "REJECTED", "CLOSED", "FROZEN"].contains(merchant.state)
        return
            ([
                "status": .string(merchant.state), "merchantNo": .string(number),
                "applyNo": .string(merchant.applyNumber), "subAcct": JSON(merchant.account),
                "items": merchant.items ?? .null,
                "signUrl": merchant.state == "SIGNING"
                    ? .string("https://bank.example/sign/" + merchant.applyNumber) : .null,
                "finishBy": JSON(isFinal ? nil : merchant.finishBy.shanghaiCompact),
            ] as JSON).omittingNulls
    }

    /// Refuses accounts that do not exist or are closed.
    func requireOpen(_ account: String) throws(BankRefusal) {
        guard let found = accounts[account] else { throw BankRefusal("100206", "unknown sub-account") }
        if let number = found.merchantNumber, merchants[number]?.state == "CLOSED" {
            throw BankRefusal("100206", "closed sub-account")
        }
    }
}
