import Crypto
import CustodyDomain
import CustodyWire
import Foundation
import Testing

@Suite struct WeChatPayCipherTests {
    @Test func `every callback vector is verified over its raw bytes and decrypted`() throws {
        let vectors = try WeChatPayFixtures.vectors()
        let link = try WeChatPayFixtures.link(vectors)
        let now = try WeChatPayFixtures.frozenClock(vectors)
        let callbacks = try #require(vectors["callbacks"]?.array)
        #expect(callbacks.count == 6)
        for callback in callbacks {
            let body = Array(try #require(callback["body"]?.string).utf8)
            let headers = try WeChatPayFixtures.headers(callback)
            let (id, type) = try WeChatPayCallback.verify(headers: headers, body: body, link: link, now: now)
            let envelope = try JSON(parsing: body)
            #expect(id == envelope["id"]?.string)
            #expect(type == envelope["event_type"]?.string)
            if callback["valid"]?.bool == true {
                let content = try WeChatPayCallback.content(of: body, apiV3Key: link.apiV3Key)
                let plaintext = try JSON(parsing: try #require(callback["plaintext"]?.string))
                #expect(content.resource == plaintext)
            } else {
                #expect(throws: WeChatPayCallback.Rejection.undecryptable) {
                    try WeChatPayCallback.content(of: body, apiV3Key: link.apiV3Key)
                }
            }
            #expect(throws: WeChatPayCallback.Rejection.signature(.badSignature)) {
                try WeChatPayCallback.verify(headers: headers, body: body + [0x20], link: link, now: now)
            }
            #expect(throws: WeChatPayCallback.Rejection.undecryptable) {
                try WeChatPayCallback.content(of: body, apiV3Key: "another0another0another0another0")
            }
        }
    }

    @Test func `a resource sealed by us opens again and only with its associated data`() throws {
        let cipher = try WeChatPayCipher(apiV3Key: "Test0nlyAPIv3KeyTest0nlyAPIv3Key")
        let sealed = try cipher.seal(Array("一分不差".utf8), nonce: "0123456789ab", associatedData: "refund")
        #expect(try cipher.open(sealed) == Array("一分不差".utf8))
        let other = WeChatPayResource(ciphertext: sealed.ciphertext, nonce: sealed.nonce, associatedData: "")
        #expect(throws: WeChatPayCipherError.self) { try cipher.open(other) }
        #expect(throws: WeChatPayKeyError.badAPIv3Key) { try WeChatPayCipher(apiV3Key: "short") }
    }

    @Test func `the certificates answer gives back the platform certificate`() throws {
        let vectors = try WeChatPayFixtures.vectors()
        let link = try WeChatPayFixtures.link(vectors)
        let body = try #require(vectors["certificates"]?["response_body"]).bytes
        let certificates = try WeChatPayCertificate.list(in: body, apiV3Key: link.apiV3Key)
        let keys = certificates.map(\.key)
        #expect(certificates.first?.validity.contains(try WeChatPayFixtures.frozenClock(vectors)) == true)
        #expect(keys.count == 1)
        #expect(keys.first?.serial == vectors["platform_serial_no"]?.string)
        #expect(keys.first?.pem == vectors["certificates"]?["certificate_pem"]?.string)
        let publicKey = try #require(keys.first).publicKeyPEM
        let wanted = try WeChatPayFixtures.text("vectors/keys/wx_platform.pub.pem")
        #expect(publicKey.filter { !$0.isWhitespace } == wanted.filter { !$0.isWhitespace })
    }

    @Test func `every sensitive field decrypts, and what we encrypt does too`() throws {
        let vectors = try WeChatPayFixtures.vectors()
        let cases = try #require(vectors["oaep"]?.array)
        #expect(cases.count == 4)
        for vector in cases {
            let key = try WeChatPayFixtures.text("vectors/keys/" + (try #require(vector["decrypt_with"]?.string)))
            let plain = try WeChatPaySensitiveField.decrypted(
                try #require(vector["ciphertext"]?.string), privateKeyPEM: key)
            #expect(String(decoding: plain, as: UTF8.self) == vector["plaintext"]?.string)
        }
        let link = try WeChatPayFixtures.link(vectors)
        for key in link.platformKeys {
            let private_ = key.serial.hasPrefix("PUB_KEY_ID") ? "wx_pubkey" : "wx_platform"
            let encrypted = try WeChatPaySensitiveField.encrypted("欧阳娜娜", publicKeyPEM: try key.publicKeyPEM)
            let plain = try WeChatPaySensitiveField.decrypted(
                encrypted, privateKeyPEM: try WeChatPayFixtures.text("vectors/keys/\(private_).key.pem"))
            #expect(String(decoding: plain, as: UTF8.self) == "欧阳娜娜")
        }
    }

    @Test func `the encrypted bill opens with its file key`() throws {
        let bill = try #require(try WeChatPayFixtures.vectors()["encrypted_bill"])
        let entry = try #require(bill["download_bill_list"]?.array?.first)
        let fileKey = try WeChatPaySensitiveField.decrypted(
            try #require(entry["encrypt_key"]?.string),
            privateKeyPEM: try WeChatPayFixtures.text("vectors/keys/wx_merchant.key.pem"))
        let encoded = try #require(bill["encrypted_file_base64"]?.string)
        let file = try #require(Data(base64Encoded: encoded))
        let plain = try WeChatPayCipher(fileKey: fileKey).open(
            Array(file), nonce: try #require(entry["nonce"]?.string), associatedData: "")
        let hash = Insecure.SHA1.hash(data: plain).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
        #expect(hash.joined() == bill["plaintext_sha1"]?.string)
        let sample = try WeChatPayFixtures.bytes("samples/wechat_fundflow_sub_BASIC_2026-10-05.csv")
        #expect(plain == sample)
    }
}
