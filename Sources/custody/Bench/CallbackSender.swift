import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation

/// A platform that is linked to WeChat Pay, and its callbacks as WeChat Pay's servers would write them.
struct CallbackSender: Sendable {
    /// The platform.
    let tenant: ID<Tenant>

    private let mchid: String
    private let token: String
    private let signer: RSASigner
    private let cipher: WeChatPayCipher

    /// Makes a platform and its link, with keys of 2048 bits.
    init(linking number: Int, in store: Store) async throws {
        let platform = try CWP1KeyPair()
        let apiKey = String(repeating: "k", count: 32)
        let made = try await store.withSystem { try await $0.createTenant(name: "bench \(number)", isSandbox: false) }
        tenant = made.id
        token = made.callbackToken
        mchid = String(1_900_000_000 + number)
        signer = try RSASigner(pem: platform.privatePEM)
        cipher = try WeChatPayCipher(apiV3Key: apiKey)
        let link = WeChatPayLink(
            baseURL: "http://127.0.0.1:9", mchid: mchid, appid: "wx0000000000000001", merchantSerial: "AA",
            merchantPrivateKeyPEM: try CWP1KeyPair().privatePEM, apiV3Key: apiKey,
            platformKeys: [.init(serial: "PUB_KEY_ID_1", pem: platform.publicPEM)])
        let bytes = Array(try JSONEncoder().encode(link))
        try await store.withTenant(made.id) { try await $0.setLink(.weChatPay, configuration: bytes) }
    }

    /// A request, whole, that says a payment succeeded: encrypted and signed anew each time, as WeChat Pay does when it sends a
    /// notification again.
    func request(id: String, serial: String, amount: Fen, at now: Instant) throws -> [UInt8] {
        let transaction: JSON = [
            "mchid": .string(mchid), "appid": "wx0000000000000001", "out_trade_no": .string(serial),
            "transaction_id": .string("4200\(serial.suffix(24))"), "trade_type": "NATIVE", "trade_state": "SUCCESS",
            "trade_state_desc": "支付成功", "bank_type": "OTHERS", "attach": "",
            "success_time": .string(now.rfc3339Shanghai), "payer": ["openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"],
            "amount": [
                "total": JSON(amount.value), "payer_total": JSON(amount.value), "currency": "CNY",
                "payer_currency": "CNY",
            ],
        ]
        let resource = try cipher.seal(
            Array(transaction.text.utf8), nonce: CallbackSender.word(12), associatedData: "transaction")
        let envelope: JSON = [
            "id": .string(id), "create_time": .string(now.rfc3339Shanghai), "resource_type": "encrypt-resource",
            "event_type": "TRANSACTION.SUCCESS", "summary": "支付成功",
            "resource": [
                "original_type": "transaction", "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": .string(resource.ciphertext), "associated_data": .string(resource.associatedData),
                "nonce": .string(resource.nonce),
            ],
        ]
        let body = Array(envelope.text.utf8)
        let (timestamp, nonce) = (String(now.seconds), CallbackSender.word(32))
        let signature = try signer.base64Signature(
            of: WeChatPayVerifier.message(timestamp: timestamp, nonce: nonce, body: body))
        let head = """
            POST /callbacks/wechat_pay/\(token) HTTP/1.1\r
            Host: 127.0.0.1\r
            Content-Type: application/json\r
            Wechatpay-Serial: PUB_KEY_ID_1\r
            Wechatpay-Timestamp: \(timestamp)\r
            Wechatpay-Nonce: \(nonce)\r
            Wechatpay-Signature: \(signature)\r
            Content-Length: \(body.count)\r
            \r

            """
        return Array(head.utf8) + body
    }

    private static func word(_ length: Int) -> String {
        let letters = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        return String(decoding: (0..<length).map { _ in letters.randomElement() ?? 0 }, as: UTF8.self)
    }
}

/// Makes so many things on all cores; in the order of their numbers.
///
/// - Throws: When one cannot be made.
func inParallel<Thing: Sendable>(_ count: Int, _ make: @escaping @Sendable (Int) throws -> Thing) throws -> [Thing] {
    let made = SafeList<(Int, Thing)>()
    DispatchQueue.concurrentPerform(iterations: count) { number in
        if let thing = try? make(number) { made.append((number, thing)) }
    }
    let things = made.values
    guard things.count == count else { throw DemoFailure(description: "\(count - things.count) could not be made") }
    return things.sorted { $0.0 < $1.0 }.map(\.1)
}

extension HTTPLoad {
    /// Sends requests that were made before, each connection its share.
    static func deliver(
        _ requests: [[UInt8]], to port: Int, accepted: Int, over connections: Int, pace: Double? = nil
    ) -> Outcome {
        HTTPLoad(port: port, accepted: accepted) { connection, count in
            let index = (count - 1) * connections + connection
            return index < requests.count ? requests[index] : nil
        }.run(connections: connections, seconds: 600, pace: pace)
    }
}
