import Crypto
import CustodyDomain
import CustodyWire
import NIOPosix

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
    /// What a link of its kind gets: profit-sharing bills where payments are split, and an e-commerce platform its
    /// sub-merchants' accounts.
    public var bills: [ChannelBill] {
        guard let partner = link.partner else { return [.trade, .fundFlow] }
        let shared: [ChannelBill] = partner.sharesProfit ? [.profitSharing] : []
        return [.trade, .fundFlow] + shared + (partner.kind == .ecommerce ? [.subMerchantFundFlow] : [])
    }

    /// Fetches a bill of a day, gzipped where it is not sealed: asks for its address, then downloads it.
    ///
    /// The file is given on only when the SHA-1 of its uncompressed bytes is the one in the signed first answer.
    public func bill(_ bill: ChannelBill, of date: BusinessDate, into spool: Spool) async -> Reply<BillAnswer> {
        switch bill {
        case .trade: await fetch(.trades, of: date, into: spool)
        case .fundFlow: await fetch(.fundFlow(account: "BASIC"), of: date, into: spool)
        case .profitSharing: await fetch(.profitSharing, of: date, into: spool)
        case .subMerchantFundFlow:
            await fetchSubMerchantFundFlow(of: date, subMchid: link.partner?.subMchid, into: spool)
        }
    }

    /// Fetches a bill of a day, gzipped; a partner's link that names a sub-merchant gets that one's rows alone.
    public func fetch(_ kind: WeChatPayBillKind, of date: BusinessDate, into spool: Spool) async -> Reply<BillAnswer> {
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
                let file = try await file(at: url, into: spool, named: kind.name(date) + ".gz")
                try await verify(file, sha1: hash)
                return .answered(.file(file))
            } catch { return .unknown(error) }
        }
    }

    /// Fetches the encrypted fund-flow bill of one sub-merchant, or of all of them, decrypted and uncompressed.
    ///
    /// Its files are joined in their sequence. Each is authenticated by its decryption, for which it must be whole in memory,
    /// and by its hash.
    ///
    /// - Parameter subMchid: nil for all sub-merchants of an e-commerce platform.
    public func fetchSubMerchantFundFlow(
        of date: BusinessDate, subMchid: String?, account: String = "BASIC", into spool: Spool
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
                let name = "wechat_fundflow_\(subMchid ?? "ALL")_\(date.iso).csv"
                return .answered(.file(try await openedFiles(answer, into: spool, named: name)))
            } catch { return .unknown(error) }
        }
    }

    private func openedFiles(_ answer: JSON, into spool: Spool, named name: String) async throws(Doubt) -> StatementFile
    {
        guard let count = answer["download_bill_count"]?.integer, let list = answer["download_bill_list"]?.array,
            list.count == count, count > 0
        else { throw Doubt(.malformedAnswer, "no addresses of a bill") }
        let ordered = list.sorted {
            ($0["bill_sequence"]?.integer ?? 0) < ($1["bill_sequence"]?.integer ?? 0)
        }
        do {
            let joined = try spool.file(named: name)
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
                let part = Spool(directory: spool.directory, limit: min(spool.limit, Self.sealedLimit))
                let sealed = try await file(at: url, into: part, named: "\(name).\(index + 1)")
                guard
                    let opened = try? cipher.open(
                        sealed.bytes(at: 0, count: sealed.size), nonce: nonce, associatedData: "")
                else { throw Doubt(.badSignature, "the bill does not decrypt") }
                let plain = StatementFile(opened, name: sealed.name)
                try await verify(plain, sha1: hash)
                try plain.unpacked { try joined.append($0) }
            }
            return joined.finished()
        } catch let doubt as Doubt {
            throw doubt
        } catch let failure as SpoolFailure {
            throw Doubt(failure)
        } catch {
            throw Doubt(.malformedAnswer, "\(name) does not unpack")
        }
    }

    /// An empty day, or a bill that is not made yet.
    private func knownAnswer(_ outcome: WeChatPayExchange.Outcome) -> Reply<BillAnswer>? {
        guard case .error(let refusal) = outcome else { return nil }
        if refusal.isAny("NO_STATEMENT_EXIST") { return .answered(.empty) }
        return refusal.isAny("STATEMENT_CREATING") ? .answered(.notReady) : nil
    }

    private func file(at url: String, into spool: Spool, named name: String) async throws(Doubt) -> StatementFile {
        switch try await exchange.download(url, into: spool, named: name) {
        case .file(let file): return file
        case .answer(let answer): throw Doubt(.systemError, "bill download: HTTP \(answer.status)")
        }
    }

    /// Holds a file against a hash of its uncompressed bytes, which are never all in memory.
    ///
    /// What does not unpack is read as a bill, which says where it breaks.
    private func verify(_ file: StatementFile, sha1 expected: String) async throws(Doubt) {
        let found: String?
        do {
            found = try await NIOThreadPool.singleton.runIfActive { try Self.sha1(unpacking: file) }
        } catch {
            throw Doubt(.notSpooled, "stopped while a file was read")
        }
        guard let found else {
            do throws(StatementDefect) {
                _ = try VerifiedStatement(verifying: file, from: .weChatPay)
            } catch {
                throw Doubt(.malformedAnswer, error.sentence)
            }
            throw Doubt(.malformedAnswer, "\(file.name ?? "the bill") does not unpack")
        }
        guard found == expected.lowercased() else {
            throw Doubt(.badHash, "\(file.name ?? "the bill"): its SHA-1 is not the one that was announced")
        }
    }

    /// The SHA-1 of a file's uncompressed bytes; nil when it does not unpack.
    private static func sha1(unpacking file: StatementFile) throws -> String? {
        var sha1 = Insecure.SHA1()
        do {
            try file.unpacked { sha1.update(bufferPointer: $0) }
        } catch is StatementDefect {
            throw Doubt(.notSpooled, "a fetched file cannot be read again")
        } catch {
            return nil
        }
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: sha1.finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// How long a sealed file may be, in bytes as delivered.
    private static let sealedLimit = 16 << 20
}
