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
        case "CARD.NOTIFY": return .binding(number: try fields.text("bindNo"))
        case "REF.NOTIFY": return try instruction(.refund, fields)
        case "SPLIT.NOTIFY": return try instruction(.split, fields)
        case "WDR.NOTIFY": return try instruction(.withdraw, fields)
        case "VOSTRO.NOTIFY": return try credit(fields)
        case "DEPOSIT.NOTIFY":
            guard let date = fields.date("bankDate") else { throw Doubt(.malformedAnswer, "no bankDate") }
            return .deposit(
                number: try fields.text("bankSeqNo"), amount: try fields.amount("amt"), bankDate: date)
        default: return .other(notification.txnCode)
        }
    }

    private func instruction(_ operation: CustodianOperation, _ fields: JSON) throws(Doubt) -> CustodianNotice {
        .instruction(
            operation, serial: try fields.text("origReqSeqNo"),
            CustodianResult(
                state: try CWP1Custodian.state(fields), bankNumber: fields["bankSeqNo"]?.string,
                bankDate: fields.date("bankDate"))
        )
    }

    private func credit(_ fields: JSON) throws(Doubt) -> CustodianNotice {
        guard let bankDate = fields.date("bankDate") else { throw Doubt(.malformedAnswer, "no bankDate") }
        // Money whose sender is no channel, or whose day is not said, is for people to look at.
        guard let channel = ChannelKind(bankWord: fields["channel"]?.string ?? ""),
            let day = fields.date("businessDate")
        else { return .other("VOSTRO.NOTIFY") }
        return .credit(
            BankCredit(
                number: try fields.text("bankSeqNo"), channel: channel, businessDate: day,
                amount: try fields.amount("amt"), bankDate: bankDate))
    }
}
