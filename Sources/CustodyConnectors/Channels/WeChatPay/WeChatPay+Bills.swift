import Crypto
import CustodyDomain
import CustodyWire

extension WeChatPay {
    /// Fetches the trade bill (交易账单, all rows, gzipped) of a day: asks for its address, then downloads it.
    ///
    /// The file is given on only when the SHA-1 of its uncompressed bytes is the one in the signed first answer.
    public func tradeBill(of date: BusinessDate) async -> Reply<BillAnswer> {
        let path = "/v3/bill/tradebill?bill_date=\(date.iso)&bill_type=ALL&tar_type=GZIP"
        switch await exchange.call("GET", path) {
        case .failed(let doubt): return .unknown(doubt)
        case .error(let refusal) where refusal.isAny("NO_STATEMENT_EXIST"): return .answered(.empty)
        case .error(let refusal) where refusal.isAny("STATEMENT_CREATING"): return .answered(.notReady)
        case .error(let refusal): return .refused(refusal)
        case .success(let answer):
            guard answer["hash_type"]?.string == "SHA1", let hash = answer["hash_value"]?.string,
                let url = answer["download_url"]?.string
            else { return .unknown(Doubt(.malformedAnswer, "no address of a bill")) }
            return await download(url, hash: hash.lowercased(), date)
        }
    }

    private func download(_ url: String, hash: String, _ date: BusinessDate) async -> Reply<BillAnswer> {
        let answer: Outbound.Answer
        do throws(Doubt) { answer = try await exchange.download(url) } catch { return .unknown(error) }
        guard answer.status == 200 else {
            return .unknown(Doubt(.systemError, "bill download: HTTP \(answer.status)"))
        }
        let file = StatementFile(answer.body)
        var sha1 = Insecure.SHA1()
        do {
            try file.unpacked { sha1.update(bufferPointer: $0) }
        } catch {
            return .unknown(Doubt(.malformedAnswer, "the bill does not unpack"))
        }
        let digits = Array("0123456789abcdef".utf8)
        let digest = sha1.finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        guard String(decoding: digest, as: UTF8.self) == hash else {
            return .unknown(Doubt(.malformedAnswer, "the bill's hash is another"))
        }
        let name = "wechat_tradebill_ALL_\(date.iso).csv" + (file.isGzip ? ".gz" : "")
        return .answered(.file(name: name, bytes: answer.body))
    }
}
