import Foundation
import Testing

@testable import ShangMi

@Suite struct CipherTests {
    @Test(arguments: Vectors.cases("sm2_encryption"))
    func `a text encrypted by others is decrypted, in all layouts`(_ vector: Vectors.Case) throws {
        let key = try SM2PrivateKey(hexadecimal: try vector.text("private_key"))
        let plaintext = try vector.bytes("plaintext")
        let layout: SM2Layout =
            switch try vector.text("layout") {
            case "C1C3C2": .c1c3c2
            case "C1C2C3": .c1c2c3
            default: .asn1
            }
        let forms =
            try layout == .asn1
            ? [vector.base64("ciphertext_der_base64")]
            : [vector.hexadecimal("ciphertext_hex_with_04"), vector.hexadecimal("ciphertext_hex_without_04")]
        for ciphertext in forms {
            #expect(try key.decrypt(ciphertext, layout: layout) == plaintext)
            for index in [0, 1, 70, 100, ciphertext.count - 1] where index < ciphertext.count {
                var spoiled = ciphertext
                spoiled[index] ^= 1
                #expect(throws: ShangMiError.invalidCiphertext) { try key.decrypt(spoiled, layout: layout) }
            }
            for count in [0, 1, 64, 96, ciphertext.count - 1] {
                #expect(throws: ShangMiError.invalidCiphertext) {
                    try key.decrypt(Array(ciphertext.prefix(count)), layout: layout)
                }
            }
            #expect(throws: ShangMiError.invalidCiphertext) { try SM2PrivateKey().decrypt(ciphertext, layout: layout) }
        }
    }

    @Test(arguments: SM2Layout.allCases)
    func `what we encrypt we decrypt`(layout: SM2Layout) throws {
        let key = try SM2PrivateKey()
        // A single byte now and then makes a key stream of zero, which the standard has one try again.
        for count in [2, 16, 19, 32, 33, 1000] {
            let plaintext = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
            let ciphertext = try key.publicKey.encrypt(plaintext, layout: layout)
            if layout != .asn1 { #expect(ciphertext.count == 97 + count) }
            #expect(try key.decrypt(ciphertext, layout: layout) == plaintext)
        }
        #expect(throws: ShangMiError.invalidCiphertext) { try key.publicKey.encrypt([], layout: layout) }
    }

    @Test(arguments: Vectors.cases("sm3"))
    func `a digest is the one of others`(_ vector: Vectors.Case) throws {
        #expect(try SM3.digest(of: try vector.bytes("message")) == (try vector.hexadecimal("sm3")))
    }

    @Test(arguments: Vectors.cases("hmac_sm3"))
    func `a keyed digest is the one of others`(_ vector: Vectors.Case) throws {
        let code = try SM3.authenticationCode(of: try vector.bytes("message"), key: try vector.bytes("key"))
        #expect(code == (try vector.hexadecimal("mac")))
    }

    @Test(arguments: Vectors.cases("sm4"))
    func `a block cipher's text is the one of others`(_ vector: Vectors.Case) throws {
        let cipher = try SM4(key: try vector.hexadecimal("key"))
        let plaintext = try vector.bytes("plaintext")
        let ciphertext = try vector.hexadecimal("ciphertext_hex")
        switch try vector.text("mode").prefix(7) {
        case "ECB-1bl": #expect(try cipher.encryptBlocks(plaintext) == ciphertext)
        case "ECB-PKC":
            #expect(try cipher.encryptECB(plaintext) == ciphertext)
            #expect(try cipher.decryptECB(ciphertext) == plaintext)
        case "CBC-PKC":
            let iv = try vector.hexadecimal("iv")
            #expect(try cipher.encryptCBC(plaintext, iv: iv) == ciphertext)
            #expect(try cipher.decryptCBC(ciphertext, iv: iv) == plaintext)
            #expect(throws: ShangMiError.invalidCiphertext) { try cipher.decryptCBC(ciphertext + [0], iv: iv) }
            #expect(throws: ShangMiError.invalidCiphertext) { try cipher.decryptCBC([], iv: iv) }
            #expect(throws: ShangMiError.invalidCiphertext) { try cipher.encryptCBC(plaintext, iv: [0]) }
        default: try expectGCM(vector, cipher, plaintext, ciphertext)
        }
    }

    private func expectGCM(
        _ vector: Vectors.Case, _ cipher: SM4, _ plaintext: [UInt8], _ ciphertext: [UInt8]
    ) throws {
        let nonce = try vector["nonce"] == nil ? vector.bytes("nonce") : vector.hexadecimal("nonce")
        let data = try vector["aad"] == nil ? vector.bytes("aad") : vector.hexadecimal("aad")
        let tag = try vector.hexadecimal("tag")
        let sealed = try cipher.sealGCM(plaintext, nonce: nonce, associatedData: data)
        #expect(sealed.ciphertext == ciphertext)
        #expect(sealed.tag == tag)
        #expect(try cipher.openGCM(ciphertext, tag: tag, nonce: nonce, associatedData: data) == plaintext)
        #expect(throws: ShangMiError.invalidCiphertext) {
            try cipher.openGCM(ciphertext, tag: Array(tag.dropLast()), nonce: nonce, associatedData: data)
        }
        #expect(throws: ShangMiError.invalidCiphertext) {
            try cipher.openGCM(ciphertext, tag: tag, nonce: nonce, associatedData: data + [0])
        }
        #expect(throws: ShangMiError.invalidCiphertext) {
            try cipher.openGCM(ciphertext + [0], tag: tag, nonce: nonce, associatedData: data)
        }
    }

    @Test func `a key of another length is refused`() {
        for count in [0, 15, 17, 32] {
            #expect(throws: ShangMiError.invalidKey) { try SM4(key: [UInt8](repeating: 0, count: count)) }
        }
    }
}
