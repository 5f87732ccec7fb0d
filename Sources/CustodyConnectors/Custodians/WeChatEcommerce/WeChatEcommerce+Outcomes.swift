import CustodyDomain
import CustodyWire

/// What became of an instruction, asked for and told.
extension WeChatEcommerce {
    /// Finds what an instruction's own number finds: applications. Everything else needs what it was about.
    public func query(
        _ operation: CustodianOperation, serial: String, sentOn: BusinessDate
    ) async -> Reply<CustodianResult> {
        switch operation {
        case .closeSubMerchant:
            await pay.exchange.call(
                "GET", "/v3/ecommerce/account/cancel-applications/out-apply-no/\(PercentEncoding.encoded(serial))"
            ).reading(orAbsent: .absentResult, WeChatEcommerce.cancellation)
        case .openSubMerchant, .resubmitSubMerchant:
            await querySubMerchant(number: serial, serial: serial).reading { subMerchant throws(Doubt) in
                WeChatEcommerce.result(subMerchant)
            }
        default: .unknown(Doubt(.systemError, "\(operation.rawValue) is asked for by what it was about"))
        }
    }

    /// Asks by the business number, and by the order or account it belongs to.
    public func query(
        _ operation: CustodianOperation, serial: String, sentOn: BusinessDate, about subject: InstructionSubject
    ) async -> Reply<CustodianResult> {
        switch operation {
        case .openSubMerchant, .resubmitSubMerchant:
            return await query(operation, serial: subject.number, sentOn: sentOn)
        case .withdraw:
            guard let account = subject.account else { break }
            return await queryWithdrawal(number: subject.number, account: account)
        case .bindAccount, .changeAccount: return await queryBinding(subject.number)
        case .refund:
            guard let order = subject.orderNumber else { break }
            return await queryParts(of: order) { parts in await queryRefund(subject.number, parts) }
        case .split, .confirmSettlement:
            guard let order = subject.orderNumber else { break }
            return await queryParts(of: order) { parts in await querySplit(subject.number, parts) }
        case .reverseSplit:
            guard let order = subject.orderNumber, let split = subject.parentNumber else { break }
            return await queryParts(of: order) { parts in await queryReturn(subject.number, of: split, parts) }
        case .collect:
            return await queryCollection(number: subject.number, serial: serial).reading { collection throws(Doubt) in
                let isKnown = collection.state != .absent
                return CustodianResult(
                    state: isKnown ? .succeeded : .absent(safeAfter: nil), bankNumber: nil, bankDate: nil)
            }
        default: break
        }
        return await query(operation, serial: serial, sentOn: sentOn)
    }

    private func queryParts(
        of order: String, _ ask: ([Part]) async -> Reply<CustodianResult>
    ) async -> Reply<CustodianResult> {
        switch await paidParts(of: order) {
        case .answered(let parts): return await ask(parts)
        // A refused question says nothing about the instruction.
        case .refused(let refusal): return .unknown(Doubt(.systemError, refusal.code))
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    private func queryRefund(_ number: String, _ parts: [Part]) async -> Reply<CustodianResult> {
        await asked(parts) { part in
            let name = WeChatEcommerce.number(number, part)
            return await serving(part.subMchid).queryRefund(serial: name, paymentSerial: part.outTradeNo)
                .reading { refund throws(Doubt) in WeChatEcommerce.result(refund) }
        }
    }

    private func querySplit(_ number: String, _ parts: [Part]) async -> Reply<CustodianResult> {
        await asked(parts) { part in
            await ask(WeChatEcommerce.number(number, part), part).reading { answer throws(Doubt) in
                guard let answer else { return .absentResult }
                return try WeChatEcommerce.reading(answer).result
            }
        }
    }

    /// Returns go one after another, so that the first number without one is the end.
    private func queryReturn(
        _ number: String, of split: String, _ parts: [Part]
    ) async -> Reply<CustodianResult> {
        let single = await queryReturns(number, of: split, parts)
        guard case .answered(nil) = single else {
            return single.reading { result throws(Doubt) in result ?? .absentResult }
        }
        var found: [CustodianResult] = []
        for index in 1...50 {
            let next = await queryReturns("\(number)-\(index)", of: split, parts)
            guard case .answered(let result) = next else { return next.reading { _ throws(Doubt) in .absentResult } }
            guard let result else { break }
            found.append(result)
        }
        return .answered(found.isEmpty ? .absentResult : WeChatEcommerce.combined(found))
    }

    /// The return of a number, whichever part it is of; nil when there is none.
    private func queryReturns(
        _ number: String, of split: String, _ parts: [Part]
    ) async -> Reply<CustodianResult?> {
        for part in parts {
            let target =
                "/v3/ecommerce/profitsharing/returnorders?sub_mchid=\(PercentEncoding.encoded(part.subMchid))"
                + "&out_order_no=\(PercentEncoding.encoded(WeChatEcommerce.number(split, part)))"
                + "&out_return_no=\(PercentEncoding.encoded(number))"
            let asked: Reply<CustodianResult?> = await pay.exchange.call("GET", target)
                .reading(orAbsent: nil) { answer throws(Doubt) in try WeChatEcommerce.returned(answer) }
            switch asked {
            case .answered(nil): continue
            case .answered(.some), .unknown: return asked
            case .refused(let refusal): return .unknown(Doubt(.systemError, refusal.code))
            }
        }
        return .answered(nil)
    }

    /// Asks about every part; what is found is one result, and nothing found is absent.
    private func asked(
        _ parts: [Part], _ ask: (Part) async -> Reply<CustodianResult>
    ) async -> Reply<CustodianResult> {
        var found: [CustodianResult] = []
        for part in parts {
            switch await ask(part) {
            case .answered(let result):
                if case .absent = result.state { continue }
                found.append(result)
            case .refused(let refusal): return .unknown(Doubt(.systemError, refusal.code))
            case .unknown(let doubt): return .unknown(doubt)
            }
        }
        return .answered(found.isEmpty ? .absentResult : WeChatEcommerce.combined(found))
    }

    /// `GET …/application/{application_no}`; the binding's number names sub-merchant and application.
    private func queryBinding(_ number: String) async -> Reply<CustodianResult> {
        let parts = number.split(separator: "/").map { PercentEncoding.encoded(String($0)) }
        guard parts.count == 2 else { return .answered(.absentResult) }
        return await pay.exchange.call("GET", "/v3/apply4sub/sub_merchants/\(parts[0])/application/\(parts[1])")
            .reading(orAbsent: .absentResult) { answer throws(Doubt) in
                let state: CustodianResult.State
                switch answer["verify_result"]?.string {
                case "AUDITING": state = .processing(finishBy: nil)
                case "AUDIT_SUCCESS": state = .succeeded
                case "AUDIT_FAIL":
                    state = .failed(
                        Refusal(code: "AUDIT_FAIL", message: answer["verify_fail_reason"]?.string ?? ""))
                default: throw Doubt(.malformedAnswer, "verify_result")
                }
                return CustodianResult(state: state, bankNumber: number, bankDate: nil)
            }
    }

    private static func result(_ subMerchant: CustodianSubMerchant) -> CustodianResult {
        let state: CustodianResult.State =
            switch subMerchant.state {
            case .reviewing: .processing(finishBy: nil)
            case .rejected(let objections):
                .failed(
                    Refusal(
                        code: "REJECTED",
                        message: objections.map { "\($0.field): \($0.reason)" }.joined(separator: "; ")))
            case .active, .frozen: .succeeded
            case .closed: .failed(Refusal(code: "CANCELED", message: "the application was taken back"))
            case .absent: .absent(safeAfter: nil)
            }
        return CustodianResult(state: state, bankNumber: subMerchant.applicationNumber, bankDate: nil)
    }
}
