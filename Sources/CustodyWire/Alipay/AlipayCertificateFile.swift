import Crypto
import Foundation
import SwiftASN1
import X509

/// A file of certificates in PEM, as Alipay's console gives them.
///
/// Alipay's root file has roots of SM2 beside those of RSA; what swift-certificates cannot read is passed over, as
/// Alipay's own SDKs pass over what is not RSA.
public struct AlipayCertificateFile: Sendable {
    /// Those that could be read, in the file's order.
    public let certificates: [Certificate]

    /// Reads a file; anything outside of the PEM blocks is ignored.
    public init(pem: String) {
        let marker = "-----BEGIN CERTIFICATE-----"
        certificates = pem.split(separator: marker).compactMap { part in
            guard let end = part.firstRange(of: "-----END CERTIFICATE-----") else { return nil }
            return try? Certificate(pemEncoded: marker + part[..<end.upperBound])
        }
    }

    /// `alipay_root_cert_sn`: the serials of all RSA-signed roots, joined by `_`; nil when there is none.
    ///
    /// Source: official Java SDK, `AntCertificationUtil.getRootCertSN`.
    public static func rootSerial(_ roots: [Certificate]) -> String? {
        let serials = roots.filter { $0.signatureAlgorithm.isRSA }.map(\.alipaySerial)
        return serials.isEmpty ? nil : serials.joined(separator: "_")
    }

    /// Whether a certificate was issued by a root, or by authorities of this file that were.
    func descends(_ leaf: Certificate, from roots: [Certificate], at date: Date) -> Bool {
        var current = leaf
        var authorities = certificates.filter(\.isAuthority)
        while true {
            if roots.contains(where: { $0.issued(current) && $0.isValid(at: date) }) { return true }
            guard let next = authorities.firstIndex(where: { $0.issued(current) && $0.isValid(at: date) }) else {
                return false
            }
            current = authorities.remove(at: next)
        }
    }
}

extension Certificate {
    /// A certificate's number as Alipay writes it: MD5 of the issuer's name (RFC 4514) and the decimal serial number.
    ///
    /// Source: official Java SDK, `AntCertificationUtil.getCertSN`.
    public var alipaySerial: String {
        let text = issuer.description + Certificate.decimal(serialNumber.bytes)
        return Insecure.MD5.hash(data: Array(text.utf8)).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }

    /// Whether it may issue others.
    var isAuthority: Bool {
        if case .isCertificateAuthority = try? extensions.basicConstraints { return true }
        return false
    }

    fileprivate func issued(_ other: Certificate) -> Bool {
        subject == other.issuer && publicKey.isValidSignature(other.signature, for: other)
    }

    fileprivate func isValid(at date: Date) -> Bool { (notValidBefore...notValidAfter).contains(date) }

    /// A big-endian number in decimal.
    private static func decimal(_ bytes: ArraySlice<UInt8>) -> String {
        var digits: [UInt8] = [0]
        for byte in bytes {
            var carry = Int(byte)
            for index in digits.indices {
                let value = Int(digits[index]) * 256 + carry
                digits[index] = UInt8(value % 10)
                carry = value / 10
            }
            while carry > 0 {
                digits.append(UInt8(carry % 10))
                carry /= 10
            }
        }
        return String(decoding: digits.reversed().map { $0 + 48 }, as: UTF8.self)
    }
}

extension Certificate.SignatureAlgorithm {
    /// Whether it is one of RSA's (PKCS#1 v1.5).
    fileprivate var isRSA: Bool {
        [.sha1WithRSAEncryption, .sha256WithRSAEncryption, .sha384WithRSAEncryption, .sha512WithRSAEncryption]
            .contains(self)
    }
}
