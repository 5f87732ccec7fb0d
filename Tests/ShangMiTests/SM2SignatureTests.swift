import Foundation
import Testing

@testable import ShangMi

@Suite struct SM2SignatureTests {
    @Test func `the file of vectors has all its cases`() {
        #expect(Vectors.cases("sm2_signatures").count == 10)
        #expect(Vectors.cases("sm2_negative").count == 6)
        #expect(Vectors.cases("sm2_encryption").count == 7)
        #expect(Vectors.cases("sm3").count == 10)
        #expect(Vectors.cases("hmac_sm3").count == 1)
        #expect(Vectors.cases("sm4").count == 13)
    }

    @Test(arguments: Vectors.cases("sm2_signatures"))
    func `a signature of others verifies, in both forms`(_ vector: Vectors.Case) throws {
        let key = try SM2PublicKey(hexadecimal: try vector.text("public_key_uncompressed"))
        let message = try vector.bytes("message")
        let userID = try vector.text("user_id")
        let der = try #require(SM2Signature(der: try vector.base64("der_base64")))
        let raw = try #require(SM2Signature(raw: try vector.base64("raw_rs_base64")))
        #expect(der == raw)
        #expect(raw.der == (try vector.base64("der_base64")))
        if let r = vector["r"], let s = vector["s"] { #expect(SM2Key.bytes(hexadecimal: r + s) == raw.raw) }
        #expect(vector.isValid == true)
        #expect(key.isValid(der, for: message, userID: userID))
        #expect(!key.isValid(der, for: message + [0], userID: userID))
        #expect(!key.isValid(der, for: message, userID: userID + "x"))
        // Z and e, where they are given, are what the standard's formula makes of user and curve.
        if let z = vector["z"], let e = vector["e"] {
            let id = Array(userID.utf8)
            let curve =
                "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC"
                + "28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93"
                + "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7"
                + "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"
            let count = id.count * 8
            let own = try SM3.digest(
                of: [UInt8(count >> 8), UInt8(count & 0xFF)] + id + #require(SM2Key.bytes(hexadecimal: curve))
                    + key.uncompressed.dropFirst())
            #expect(own == SM2Key.bytes(hexadecimal: z))
            #expect(try SM3.digest(of: own + message) == SM2Key.bytes(hexadecimal: e))
        }
    }

    @Test(arguments: Vectors.cases("sm2_negative"))
    func `a signature that is none is refused`(_ vector: Vectors.Case) throws {
        let key = try SM2PublicKey(hexadecimal: try vector.text("public_key_uncompressed"))
        #expect(vector.isValid == false)
        // Refused when it is read, or when it is verified.
        let signature = SM2Signature(der: try vector.base64("der_base64"))
        let accepted = try signature.map {
            key.isValid($0, for: try vector.bytes("message"), userID: try vector.text("user_id"))
        }
        #expect(accepted != true)
    }

    @Test func `DER that is not minimal, is too long or goes on is refused`() throws {
        let der = try Vectors.cases("sm2_signatures")[0].base64("der_base64")
        #expect(SM2Signature(der: der) != nil)
        #expect(SM2Signature(der: der + [0]) == nil)
        #expect(SM2Signature(der: Array(der.dropLast())) == nil)
        #expect(SM2Signature(der: [0x31] + der.dropFirst()) == nil)
        #expect(SM2Signature(der: [0x30, 0x81] + der.dropFirst()) == nil)
        #expect(SM2Signature(der: [0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x02]) != nil)
        #expect(SM2Signature(der: [0x30, 0x07, 0x02, 0x02, 0x00, 0x01, 0x02, 0x01, 0x02]) == nil)
        #expect(SM2Signature(der: [0x30, 0x06, 0x02, 0x01, 0x81, 0x02, 0x01, 0x02]) == nil)
        #expect(SM2Signature(der: [0x30, 0x05, 0x02, 0x00, 0x02, 0x01, 0x02]) == nil)
        #expect(SM2Signature(der: []) == nil)
        #expect(SM2Signature(raw: [UInt8](repeating: 1, count: 63)) == nil)
        #expect(SM2Signature(raw: [UInt8](repeating: 1, count: 65)) == nil)
    }

    @Test func `r and s outside of 1 to n are refused in the raw form too`() throws {
        let vector = Vectors.cases("sm2_signatures")[1]
        let key = try SM2PublicKey(hexadecimal: try vector.text("public_key_uncompressed"))
        let raw = try vector.base64("raw_rs_base64")
        let n = try #require(
            SM2Key.bytes(hexadecimal: "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123"))
        let (r, s) = (Array(raw.prefix(32)), Array(raw.suffix(32)))
        let zero = [UInt8](repeating: 0, count: 32)
        let pairs: [[[UInt8]]] = [[zero, s], [r, zero], [n, s], [r, n], [[UInt8](repeating: 0xFF, count: 32), s]]
        for pair in pairs {
            let signature = try #require(SM2Signature(raw: Array(pair.joined())))
            #expect(!key.isValid(signature, for: try vector.bytes("message")))
        }
    }

    @Test func `what we sign verifies under the same user id only, and no two signatures are alike`() throws {
        for name in ["partner_sm2", "bank_sm2"] {
            let key = try SM2PrivateKey(pem: try Vectors.key("keys/\(name).key.pem"))
            let publicKey = try SM2PublicKey(pem: try Vectors.key("keys/\(name).pub.pem"))
            #expect(key.publicKey == publicKey)
            for message in [[], Array("平台订单".utf8), [UInt8](repeating: 0x61, count: 100_000)] {
                let signature = try key.signature(for: message, userID: "N003261207000000")
                #expect(publicKey.isValid(signature, for: message, userID: "N003261207000000"))
                #expect(!publicKey.isValid(signature, for: message))
                #expect(try key.signature(for: message, userID: "N003261207000000") != signature)
            }
        }
    }

    @Test func `a thousand signatures keep their 64 bytes`() throws {
        let key = try SM2PrivateKey()
        for number in 0..<1000 {
            let message = Array(String(number).utf8)
            let signature = try key.signature(for: message)
            #expect(SM2Signature(der: signature.der) == signature)
            #expect(key.publicKey.isValid(signature, for: message))
        }
    }
}
