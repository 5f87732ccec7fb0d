import Crypto
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Synchronization

/// Where a channel's bills are had: WeChat Pay's interface on a socket of its own, which answers exactly what a test says,
/// byte by byte, signed as it should be, and can hang up in the middle of a file.
public final class BillDesk: Sendable {
    /// A file to be downloaded.
    public struct Offer: Sendable {
        /// What is sent: some bytes, or a file from disk, which is never held whole.
        public enum Content: Sendable {
            /// These.
            case bytes([UInt8])
            /// The file's at a path.
            case path(String)
        }

        /// What is sent.
        public var content: Content
        /// The SHA-1 that the signed answer announces.
        public var sha1: String
        /// After how many bytes the line is cut; nil sends all.
        public var cut: Int?

        /// Offers bytes under the hash of what is in them, or under another.
        public init(_ bytes: [UInt8], sha1: String? = nil, cut: Int? = nil) {
            content = .bytes(bytes)
            self.sha1 = sha1 ?? BillDesk.sha1(of: bytes)
            self.cut = cut
        }

        /// Offers a file from disk.
        public init(path: String, sha1: String) {
            content = .path(path)
            self.sha1 = sha1
        }
    }

    /// What a question for a bill is answered with.
    public enum Answer: Sendable {
        /// Its address, and then the file.
        case file(Offer)
        /// A status and a code, such as `STATEMENT_CREATING`.
        case refusal(Int, String)
    }

    private struct State {
        var answers: [String: Answer] = [:]
        var questions: [String] = []
        var downloads = 0
    }

    /// Its port.
    public let port: Int
    private let listener: Int32
    private let keys: CWP1KeyPair
    private let signer: RSASigner
    private let state = Mutex(State())

    /// Listens on a free port.
    public init() throws {
        keys = try CWP1KeyPair()
        signer = try RSASigner(pem: keys.privatePEM)
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let ok = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard ok else { throw POSIXError(.EADDRINUSE) }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread { [self] in accepting() }.start()
    }

    /// Stops listening.
    public func close() {
        shutdown(listener, Int32(SHUT_RDWR))
        Glibc.close(listener)
    }

    /// A platform's link to it, as `link set` takes it.
    public func link(partner: JSON? = nil) -> [UInt8] {
        var members: [JSON.Member] = [
            .init("base_url", .string("http://127.0.0.1:\(port)")), .init("mchid", "1900000109"),
            .init("appid", "wx8888888888888888"), .init("merchant_serial", "DESK0001"),
            .init("merchant_private_key_pem", .string(keys.privatePEM)),
            .init("api_v3_key", "Test0nlyAPIv3KeyTest0nlyAPIv3Key"),
            .init("platform_keys", [["serial": "PUB_KEY_ID_DESK", "pem": .string(keys.publicPEM)]]),
        ]
        if let partner { members.append(.init("partner", partner)) }
        return JSON.object(members).bytes
    }

    /// Says what the next questions at a path are answered with, such as `/v3/bill/tradebill`.
    public func answer(_ answer: Answer, at path: String = "/v3/bill/tradebill") {
        state.withLock { $0.answers[path] = answer }
    }

    /// The questions so far, with what they asked for.
    public var questions: [String] { state.withLock { $0.questions } }
    /// How many downloads were begun.
    public var downloads: Int { state.withLock { $0.downloads } }

    /// The SHA-1 of a file's uncompressed bytes; of the bytes as they are when they do not unpack.
    public static func sha1(of bytes: [UInt8]) -> String {
        var sha1 = Insecure.SHA1()
        do {
            try StatementFile(bytes).unpacked { sha1.update(bufferPointer: $0) }
            return hexadecimal(sha1.finalize())
        } catch { return hexadecimal(Insecure.SHA1.hash(data: bytes)) }
    }

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    private func accepting() {
        while true {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { return }
            Thread { [self] in
                serve(client)
                Glibc.close(client)
            }.start()
        }
    }

    /// Answers one request; the connection ends with it.
    private func serve(_ client: Int32) {
        var head: [UInt8] = []
        var byte: UInt8 = 0
        while !head.suffix(4).elementsEqual([13, 10, 13, 10]) {
            guard recv(client, &byte, 1, 0) == 1 else { return }
            head.append(byte)
        }
        let words = String(decoding: head, as: UTF8.self).split(separator: " ", maxSplits: 2)
        guard words.count > 1 else { return }
        let target = String(words[1])
        let path = String(target.prefix { $0 != "?" })
        if path.hasPrefix("/file") {
            let answer = state.withLock { state in
                state.downloads += 1
                return state.answers[String(path.dropFirst(5))]
            }
            if case .file(let offer) = answer { send(offer, to: client) }
            return
        }
        let answer = state.withLock { state in
            state.questions.append(target)
            return state.answers[path]
        }
        switch answer {
        case .file(let offer):
            let url = "http://127.0.0.1:\(port)/file\(path)?token=1"
            respond(
                200, ["hash_type": "SHA1", "hash_value": .string(offer.sha1), "download_url": .string(url)], to: client)
        case .refusal(let status, let code): respond(status, ["code": .string(code), "message": "见代码"], to: client)
        case nil: respond(400, ["code": "NO_STATEMENT_EXIST", "message": "账单不存在"], to: client)
        }
    }

    private func respond(_ status: Int, _ json: JSON, to client: Int32) {
        let body = json.bytes
        let timestamp = String(Int(Date().timeIntervalSince1970))
        let nonce = WeChatPayRequestSigner.freshNonce()
        let message = WeChatPayVerifier.message(timestamp: timestamp, nonce: nonce, body: body)
        let signature = (try? signer.base64Signature(of: message)) ?? ""
        let head =
            "HTTP/1.1 \(status) X\r\nContent-Type: application/json\r\nWechatpay-Timestamp: \(timestamp)\r\n"
            + "Wechatpay-Nonce: \(nonce)\r\nWechatpay-Serial: PUB_KEY_ID_DESK\r\nWechatpay-Signature: \(signature)\r\n"
            + "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        _ = BillDesk.send(Array(head.utf8) + body, to: client)
    }

    private func send(_ offer: Offer, to client: Int32) {
        switch offer.content {
        case .bytes(let bytes):
            _ = BillDesk.send(BillDesk.head(bytes.count), to: client)
            _ = BillDesk.send(Array(bytes.prefix(offer.cut ?? bytes.count)), to: client)
        case .path(let path):
            guard let file = try? StatementFile(path: path) else { return }
            _ = BillDesk.send(BillDesk.head(file.size), to: client)
            var index = 0
            while let part = try? file.part(index), BillDesk.send(part, to: client) { index += 1 }
        }
    }

    private static func head(_ count: Int) -> [UInt8] {
        Array("HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\nConnection: close\r\n\r\n".utf8)
    }

    private static func send(_ bytes: [UInt8], to client: Int32) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count, let base = buffer.baseAddress {
                let count = Glibc.send(client, base + done, buffer.count - done, Int32(MSG_NOSIGNAL))
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
    }
}
