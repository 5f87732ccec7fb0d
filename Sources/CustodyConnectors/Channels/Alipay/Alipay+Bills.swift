import CustodyDomain
import CustodyWire

extension Alipay {
    /// What is fetched of every day; the account's own movements are there when they are asked for.
    public var bills: [ChannelBill] { [.trade] }

    /// Fetches a bill of a day: its trades, or every movement of the collecting account (账务账单).
    public func bill(_ bill: ChannelBill, of date: BusinessDate, into spool: Spool) async -> Reply<BillAnswer> {
        switch bill {
        case .trade: await gateway.bill("trade", of: date, into: spool)
        case .fundFlow: await gateway.bill("signcustomer", of: date, into: spool)
        case .profitSharing, .subMerchantFundFlow:
            .refused(Refusal(code: Refusal.unsupportedCode, message: "Alipay has no bill of \(bill.rawValue)"))
        }
    }
}

extension AlipayGateway {
    /// Fetches a bill of a day: a zip, ready on the next day, normally before 09:00.
    ///
    /// The address comes in a signed answer and lives about 30 seconds; the file itself is not signed.
    ///
    /// - Parameter type: `bill_type`.
    func bill(_ type: String, of date: BusinessDate, into spool: Spool) async -> Reply<BillAnswer> {
        let content: JSON = ["bill_type": .string(type), "bill_date": .string(date.iso)]
        switch await call("alipay.data.dataservice.bill.downloadurl.query", content) {
        case .answered(let node):
            guard let url = node["bill_download_url"]?.string, !url.isEmpty else {
                // A day without trades may be answered with a code instead of an address.
                guard node["bill_file_code"] != nil else { return .unknown(Doubt(.malformedAnswer, "no address")) }
                return .answered(.empty)
            }
            return await download(url, date, into: spool)
        case .refused(let refusal):
            switch refusal.code.split(separator: ".").last?.uppercased() {
            case "NO_BILL_DATA": return .answered(.empty)
            case "BILL_NOT_EXIST": return .answered(.notReady)
            default: return .refused(refusal)
            }
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    private func download(_ url: String, _ date: BusinessDate, into spool: Spool) async -> Reply<BillAnswer> {
        do throws(Doubt) {
            let name = "\(link.sellerID)_\(date.compact).csv.zip"
            let headers = [("User-Agent", "custody")]
            switch try await outbound.download(url, headers: headers, into: spool, named: name) {
            case .answer(let answer): return .unknown(Doubt(.systemError, "HTTP \(answer.status)"))
            case .file(let file):
                // An address that expired answers 200 with a page.
                guard ZipArchive.isZip(file) else { throw Doubt(.malformedAnswer, "\(name): no zip file") }
                return .answered(.file(file))
            }
        } catch {
            return .unknown(error)
        }
    }
}
