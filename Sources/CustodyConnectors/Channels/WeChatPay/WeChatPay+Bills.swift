import Crypto
import CustodyDomain
import CustodyWire

/// The bills of WeChat Pay beside the trade bill.
public enum WeChatPayBillKind: Hashable, Sendable {
    /// Every payment and refund (交易账单).
    case trades
    /// Every movement of one of our accounts (资金账单): `BASIC`, `OPERATION` or `FEES`.
    case fundFlow(account: String)
    /// Every split and return (分账账单).
    case profitSharing
    /// Withdrawals that failed or came back (提现异常文件).
    case failedWithdrawals

    func target(_ date: BusinessDate, _ subMchid: String?) -> String {
        let sub = subMchid.map { "&sub_mchid=\(PercentEncoding.encoded($0))" } ?? ""
        return switch self {
        case .trades: "/v3/bill/tradebill?bill_date=\(date.iso)\(sub)&bill_type=ALL&tar_type=GZIP"
        case .fundFlow(let account):
            "/v3/bill/fundflowbill?bill_date=\(date.iso)&account_type=\(PercentEncoding.encoded(account))&tar_type=GZIP"
        case .profitSharing: "/v3/profitsharing/bills?bill_date=\(date.iso)\(sub)&tar_type=GZIP"
        case .failedWithdrawals:
            "/v3/merchant/fund/withdraw/bill-type/NO_SUCC?bill_date=\(date.iso)&tar_type=GZIP"
        }
    }

    func name(_ date: BusinessDate) -> String {
        switch self {
        case .trades: "wechat_tradebill_ALL_\(date.iso).csv"
        case .fundFlow(let account): "wechat_fundflow_\(account)_\(date.iso).csv"
        case .profitSharing: "wechat_profitsharing_\(date.iso).csv"
        case .failedWithdrawals: "wechat_withdraw_NO_SUCC_\(date.iso).csv"
        }
    }
}

extension WeChatPay {
    /// Fetches the trade bill (交易账单, all rows, gzipped) of a day: asks for its address, then downloads it.
    ///
    /// The file is given on only when the SHA-1 of its uncompressed bytes is the one in the signed first answer.
    public func tradeBill(of date: BusinessDate) async -> Reply<BillAnswer> { await bill(.trades, of: date) }

    /// Fetches a bill of a day, gzipped; a partner's link that names a sub-merchant gets that one's rows alone.
    public func bill(_ kind: WeChatPayBillKind, of date: BusinessDate) async -> Reply<BillAnswer> {
        let outcome = await exchange.call("GET", kind.target(date, link.partner?.subMchid))
        if let known = knownAnswer(outcome) { return known }
        switch outcome {
        case .failed(let doubt): return .unknown(doubt)
        case .error(let refusal): return .refused(refusal)
        case .success(let answer):
            guard answer["hash_type"]?.string == "SHA1", let hash = answer["hash_value"]?.string,
                let url = answer["download_url"]?.string
            else { return .unknown(Doubt(.malformedAnswer, "no address of a bill")) }
            do throws(Doubt) {
                let file = try await body(of: url)
                guard try Self.sha1(unpacking: file) == hash.lowercased() else {
                    throw Doubt(.malformedAnswer, "the bill's hash is another")
                }
                return .answered(.file(name: kind.name(date) + (Gzip.isGzip(file) ? ".gz" : ""), bytes: file))
            } catch { return .unknown(error) }
        }
    }

    /// Fetches the encrypted fund-flow bill of one sub-merchant, or of all of them, decrypted and uncompressed.
    ///
    /// Its files are joined in their sequence. Each is authenticated by its decryption, and by its hash.
    ///
    /// - Parameter subMchid: nil for all sub-merchants of an e-commerce platform.
    public func subMerchantFundFlowBill(
        of date: BusinessDate, subMchid: String?, account: String = "BASIC"
    ) async -> Reply<BillAnswer> {
        let day = "bill_date=\(date.iso)&tar_type=GZIP&algorithm=AEAD_AES_256_GCM"
        let target =
            subMchid.map {
                "/v3/bill/sub-merchant-fundflowbill?sub_mchid=\(PercentEncoding.encoded($0))&\(day)"
                    + "&account_type=\(PercentEncoding.encoded(account))"
            } ?? "/v3/ecommerce/bill/fundflowbill?\(day)&account_type=ALL"
        let outcome = await exchange.call("GET", target)
        if let known = knownAnswer(outcome) { return known }
        switch outcome {
        case .failed(let doubt): return .unknown(doubt)
        case .error(let refusal): return .refused(refusal)
        case .success(let answer):
            do throws(Doubt) {
                let bytes = try await decryptedFiles(answer)
                return .answered(.file(name: "wechat_fundflow_\(subMchid ?? "ALL")_\(date.iso).csv", bytes: bytes))
            } catch { return .unknown(error) }
        }
    }

    private func decryptedFiles(_ answer: JSON) async throws(Doubt) -> [UInt8] {
        guard let count = answer["download_bill_count"]?.integer, let list = answer["download_bill_list"]?.array,
            list.count == count, count > 0
        else { throw Doubt(.malformedAnswer, "no addresses of a bill") }
        let ordered = list.sorted {
            ($0["bill_sequence"]?.integer ?? 0) < ($1["bill_sequence"]?.integer ?? 0)
        }
        var joined: [UInt8] = []
        for (index, entry) in ordered.enumerated() {
            guard entry["bill_sequence"]?.integer == Int64(index + 1), let url = entry["download_url"]?.string,
                let sealedKey = entry["encrypt_key"]?.string, let nonce = entry["nonce"]?.string,
                let hash = entry["hash_value"]?.string
            else { throw Doubt(.malformedAnswer, "an address of a bill that cannot be read") }
            guard
                let key = try? WeChatPaySensitiveField.decrypted(
                    sealedKey, privateKeyPEM: link.merchantPrivateKeyPEM),
                let cipher = try? WeChatPayCipher(fileKey: key)
            else { throw Doubt(.badSignature, "the bill's key does not decrypt") }
            let sealed = try await body(of: url)
            guard let opened = try? cipher.open(sealed, nonce: nonce, associatedData: "") else {
                throw Doubt(.badSignature, "the bill does not decrypt")
            }
            let plain = try unpacked(opened)
            guard Self.sha1(plain) == hash.lowercased() else {
                throw Doubt(.malformedAnswer, "the bill's hash is another")
            }
            joined += plain
        }
        return joined
    }

    /// An empty day, or a bill that is not made yet.
    private func knownAnswer(_ outcome: WeChatPayExchange.Outcome) -> Reply<BillAnswer>? {
        guard case .error(let refusal) = outcome else { return nil }
        if refusal.isAny("NO_STATEMENT_EXIST") { return .answered(.empty) }
        return refusal.isAny("STATEMENT_CREATING") ? .answered(.notReady) : nil
    }

    private func body(of url: String) async throws(Doubt) -> [UInt8] {
        let answer = try await exchange.download(url)
        guard answer.status == 200 else { throw Doubt(.systemError, "bill download: HTTP \(answer.status)") }
        return answer.body
    }

    private func unpacked(_ file: [UInt8]) throws(Doubt) -> [UInt8] {
        guard Gzip.isGzip(file) else { return file }
        guard let plain = try? Gzip.decompressed(file) else {
            throw Doubt(.malformedAnswer, "the bill does not unpack")
        }
        return plain
    }

    /// The SHA-1 of a file's uncompressed bytes, which are never all in memory.
    private static func sha1(unpacking file: [UInt8]) throws(Doubt) -> String {
        var sha1 = Insecure.SHA1()
        do {
            try StatementFile(file).unpacked { sha1.update(bufferPointer: $0) }
        } catch { throw Doubt(.malformedAnswer, "the bill does not unpack") }
        return hex(sha1.finalize())
    }

    private static func sha1(_ bytes: [UInt8]) -> String { hex(Insecure.SHA1.hash(data: bytes)) }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
