import CustodyDomain
import CustodyWire

/// Changes, signatures and files of merchants; merchants signed at the bank.
extension BankMarket {
    mutating func modifyMerchant(_ body: JSON) throws(BankRefusal) -> BankInstruction.Subject {
        let number = try body.field("merchantNo")
        guard var merchant = merchants[number], ["ACTIVE", "FROZEN"].contains(merchant.state) else {
            throw BankRefusal("100203", "no such open merchant")
        }
        guard let members = body.members, members.count > 1 else { throw BankRefusal("100001", "nothing changes") }
        if body["name"] != nil { merchant.name = try body.field("name") }
        merchants[number] = merchant
        effects.append(.notify(txnCode: "MCH.NOTIFY", body: merchantBody(number)))
        return .fixed(["status": "SUCCESS", "merchantNo": .string(number)])
    }

    /// The merchant signs, or a stock merchant confirms.
    mutating func sign(_ number: String) -> Bool {
        guard let merchant = merchants[number], ["SIGNING", "TO_CONFIRM"].contains(merchant.state) else { return false }
        merchants[number]?.state = "ACTIVE"
        effects.append(.notify(txnCode: "MCH.NOTIFY", body: merchantBody(number)))
        return true
    }

    mutating func expireSignature(_ number: String, now: Instant) {
        guard merchants[number]?.state == "SIGNING" else { return }
        merchants[number]?.state = "REJECTED"
        merchants[number]?.items = [["field": "signature", "reason": "签约超时"]]
        effects.append(.notify(txnCode: "MCH.NOTIFY", body: merchantBody(number)))
    }

    /// A merchant signs at the bank itself, changes there or leaves; the partner is told.
    mutating func signAtBank(_ body: JSON, now: Instant) throws(BankRefusal) -> String {
        let operation = body["operation"]?.string ?? "ADD"
        let name = try body.field("name")
        let account: String
        switch operation {
        case "ADD":
            account = openAccount(nil)
        case "MOD", "DEL":
            account = try body.field("sub_acct")
            guard accounts[account] != nil else { throw BankRefusal("100206", "unknown sub-account") }
        default: throw BankRefusal("100001", "operation is unknown")
        }
        effects.append(
            .notify(
                txnCode: "MCH.PUSH",
                body: ([
                    "operation": .string(operation), "subAcct": .string(account), "name": .string(name),
                    "certNo": JSON(body["cert_no"]?.string), "card": JSON(body["card"]?.string),
                    "bankDate": .string(bankDate(of: now).compact),
                ] as JSON).omittingNulls))
        return account
    }

    /// A file that was handed in becomes the partner's by a signed message that names its digest.
    mutating func claimMaterial(_ body: JSON, now: Instant) throws(BankRefusal) -> BankInstruction.Subject {
        let name = try body.field("uploadId")
        for field in ["kind", "fileName", "contentType"] { _ = try body.field(field) }
        guard let bytes = uploads[name] else { throw BankRefusal("100221", "nothing was handed in under uploadId") }
        guard try body.field("sha256") == CWP1File.digest(of: bytes) else {
            throw BankRefusal("100222", "what was handed in has another digest")
        }
        uploads[name] = nil
        let fileID = nextNumber("F", now)
        materials[fileID] = bytes
        return .fixed(["status": "SUCCESS", "fileId": .string(fileID)])
    }
}
