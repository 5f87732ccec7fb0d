import CustodyDomain
import CustodyWire

/// What became of instructions.
extension CWP1Custodian {
    /// TXN.QUERY, under a number of its own: a question is no instruction, and may not use up the instruction's number.
    public func query(
        _ operation: CustodianOperation, serial: String, sentOn: BusinessDate
    ) async -> Reply<CustodianResult> {
        let asked = await exchange(
            .query, serial: "Q" + CWP1Signer.nonce().prefix(31),
            body: [
                "origTxnCode": .string(operation.txnCode), "origReqSeqNo": .string(serial),
                "origDate": .string(sentOn.compact),
            ]
        ).reading(CWP1Custodian.result)
        // A refusal of the question says nothing about the instruction.
        if case .refused(let refusal) = asked, refusal.code != Refusal.unsupportedCode {
            return .unknown(Doubt(.systemError, refusal.code))
        }
        return asked
    }

    /// What an answer says of its instruction.
    static func result(_ response: CWP1Response) throws(Doubt) -> CustodianResult {
        if response.returnCode.meaning == .businessFailed, response.txnCode != "TXN.QUERY" {
            return CustodianResult(
                state: .failed(response.refusal), bankNumber: response.bankNumber, bankDate: response.bankDate)
        }
        guard response.returnCode.meaning == .accepted else {
            throw Doubt(.systemError, response.returnCode.text)
        }
        return CustodianResult(
            state: try state(response.body),
            bankNumber: response.txnCode == "TXN.QUERY"
                ? response.body["origBankSeqNo"]?.string : response.bankNumber,
            bankDate: response.body.date("bankDate") ?? response.bankDate
        )
    }

    /// The state that a body tells, in an answer or a notification.
    static func state(_ body: JSON) throws(Doubt) -> CustodianResult.State {
        switch try body.text("status") {
        case "PROCESSING", "ACCEPTED", "PENDING", "DELAYED", "UNCERTAIN", "TO_CONFIRM", "CHECKING", "VERIFYING",
            "REVIEWING", "SIGNING", "TO_VERIFY", "TO_PAY", "DEALING":
            return .processing(finishBy: body.instant("finishBy"))
        case "SUCCESS", "DONE", "SYNCED", "REGISTERED", "FUNDED", "FINISHED", "CANCELLED", "ACTIVE", "BOUND", "CLOSED",
            "PAID", "PART_SUCCESS":
            return .succeeded
        case "FAILED", "EXPIRED": return .failed(failure(body))
        case "REJECTED":
            let item = body["items"]?.array?.first
            return .failed(
                Refusal(
                    code: item?["field"]?.string ?? "REJECTED",
                    message: CustodianText.masked(item?["reason"]?.string ?? ""))
            )
        case "RETURNED":
            return .returned(
                number: try body.text("returnNo"), on: body.date("returnDate"),
                reason: CustodianText.masked(body["reason"]?.string ?? ""))
        case "NOT_FOUND": return .absent(safeAfter: body.instant("safeAfter"))
        case let other: throw Doubt(.malformedAnswer, "status \(other)")
        }
    }

    /// The code and sentence of a failure.
    static func failure(_ body: JSON) -> Refusal {
        Refusal(
            code: body["failCode"]?.string ?? body["status"]?.string ?? "FAILED",
            message: CustodianText.masked(body["failMsg"]?.string ?? ""))
    }

    /// SYS.DATE.
    public func bankDay(serial: String) async -> Reply<CustodianDay> {
        await exchange(.bankDay, serial: serial, body: [:]).reading { response throws(Doubt) in
            guard let date = response.body.date("bankDate"),
                let state = CustodianDay.State(rawValue: try response.body.text("dayState").lowercased())
            else { throw Doubt(.malformedAnswer, "no bankDate or dayState") }
            return CustodianDay(date: date, state: state, nextCutAt: response.body.instant("nextCutAt"))
        }
    }
}
