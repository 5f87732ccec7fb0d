import CustodyDomain
import CustodyWire

extension Alipay {
    /// Fetches the trade bill of a day: a zip, ready on the next day, normally before 09:00.
    public func tradeBill(of date: BusinessDate) async -> Reply<BillAnswer> { await gateway.bill("trade", of: date) }

    /// Fetches the account bill (账务账单) of a day: every movement of the collecting account, with its balance.
    public func accountBill(of date: BusinessDate) async -> Reply<BillAnswer> {
        await gateway.bill("signcustomer", of: date)
    }
}

extension AlipayGateway {
    /// Fetches a bill of a day.
    ///
    /// The address comes in a signed answer and lives about 30 seconds; the file itself is not signed.
    ///
    /// - Parameters:
    ///   - type: `bill_type`.
    ///   - smid: The one sub-merchant whose trades are wanted, with `trade_zft_merchant` alone.
    func bill(_ type: String, of date: BusinessDate, smid: String? = nil) async -> Reply<BillAnswer> {
        let content = JSON.object([
            .init("bill_type", .string(type)), .init("bill_date", .string(date.iso)), .init("smid", JSON(smid)),
        ]).omittingNulls
        switch await call("alipay.data.dataservice.bill.downloadurl.query", content) {
        case .answered(let node):
            guard let url = node["bill_download_url"]?.string, !url.isEmpty else {
                // A day without trades may be answered with a code instead of an address.
                guard node["bill_file_code"] != nil else { return .unknown(Doubt(.malformedAnswer, "no address")) }
                return .answered(.empty)
            }
            return await download(url, date)
        case .refused(let refusal):
            switch refusal.code.split(separator: ".").last?.uppercased() {
            case "NO_BILL_DATA": return .answered(.empty)
            case "BILL_NOT_EXIST": return .answered(.notReady)
            default: return .refused(refusal)
            }
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    private func download(_ url: String, _ date: BusinessDate) async -> Reply<BillAnswer> {
        do {
            let answer = try await outbound.call("GET", url, headers: [("User-Agent", "custody")])
            guard answer.status == 200 else { return .unknown(Doubt(.systemError, "HTTP \(answer.status)")) }
            // An address that expired answers 200 with a page.
            guard ZipArchive.isZip(StatementFile(answer.body)) else {
                return .unknown(Doubt(.malformedAnswer, "no zip file"))
            }
            return .answered(.file(name: "\(link.sellerID)_\(date.compact).csv.zip", bytes: answer.body))
        } catch {
            return .unknown(error)
        }
    }
}
