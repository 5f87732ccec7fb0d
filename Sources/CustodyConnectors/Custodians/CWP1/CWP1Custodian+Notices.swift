import CustodyDomain
import CustodyWire

/// What the bank tells us by itself.
extension CWP1Custodian {
    /// Reads a notification that ``CWP1Notification/verify(method:path:headers:body:link:now:)`` let in.
    public func notice(in body: [UInt8]) throws(Doubt) -> CustodianNotice {
        let notification: CWP1Notification
        do { notification = try CWP1Notification(parsing: body) } catch {
            throw Doubt(.malformedAnswer, error.rawValue)
        }
        let fields = notification.body
        switch notification.txnCode {
        case "MCH.NOTIFY", "MCH.CONTROL.NOTIFY": return .subMerchant(number: try fields.text("merchantNo"))
        case "MCH.PUSH": return .signedSubMerchant(try CWP1Custodian.signedSubMerchant(fields))
        case "CARD.NOTIFY": return .binding(number: try fields.text("bindNo"))
        case "PAY.NOTIFY":
            return .collection(
                number: try fields.text("mainOrderNo"), try CWP1Custodian.collection(fields, bankNumber: nil))
        case "REF.NOTIFY": return try instruction(.refund, fields)
        case "SPLIT.NOTIFY": return try instruction(.split, fields)
        case "WDR.NOTIFY": return try instruction(.withdraw, fields)
        case "VOSTRO.NOTIFY": return try credit(fields)
        case "DEPOSIT.NOTIFY":
            guard let date = fields.date("bankDate") else { throw Doubt(.malformedAnswer, "no bankDate") }
            let amount = try fields.amount("amt")
            return .deposit(
                number: try fields.text("bankSeqNo"),
                amount: fields["direction"]?.string == "OUT" ? -amount : amount, bankDate: date)
        case "BATCH.NOTIFY": return .batch(number: try fields.text("batchNo"))
        case "FILE.NOTIFY":
            guard let date = fields.date("bankDate") else { throw Doubt(.malformedAnswer, "no bankDate") }
            return .file(kind: try fields.text("type"), bankDate: date)
        default: return .other(notification.txnCode)
        }
    }

    private func instruction(_ operation: CustodianOperation, _ fields: JSON) throws(Doubt) -> CustodianNotice {
        // One notification serves an operation and its siblings, such as SPLIT.CREATE and SPLIT.REVERSE.
        let named = fields["origTxnCode"]?.string.flatMap { CustodianOperation(txnCode: $0) }
        return .instruction(
            named ?? operation, serial: try fields.text("origReqSeqNo"),
            CustodianResult(
                state: try CWP1Custodian.state(fields), bankNumber: fields["bankSeqNo"]?.string,
                bankDate: fields.date("bankDate"))
        )
    }

    private static func signedSubMerchant(_ fields: JSON) throws(Doubt) -> SignedSubMerchant {
        let change: SignedSubMerchant.Change
        switch try fields.text("operation") {
        case "ADD": change = .added
        case "MOD": change = .modified
        case "DEL": change = .removed
        case let other: throw Doubt(.malformedAnswer, "operation \(other)")
        }
        return SignedSubMerchant(
            change: change, merchantNumber: try fields.text("subAcct"), number: fields["merchantNo"]?.string,
            name: try fields.text("name"), certificateNumber: fields["certNo"]?.string,
            account: fields["card"]?.string)
    }

    private func credit(_ fields: JSON) throws(Doubt) -> CustodianNotice {
        guard let bankDate = fields.date("bankDate") else { throw Doubt(.malformedAnswer, "no bankDate") }
        // Money whose sender is no channel, or whose day is not said, is for people to look at.
        guard let channel = ChannelKind(bankWord: fields["channel"]?.string ?? ""),
            let day = fields.date("businessDate")
        else { return .suspense(try CWP1Custodian.suspenseEntry(fields)) }
        return .credit(
            BankCredit(
                number: try fields.text("bankSeqNo"), channel: channel, businessDate: day,
                amount: try fields.amount("amt"), bankDate: bankDate))
    }
}
