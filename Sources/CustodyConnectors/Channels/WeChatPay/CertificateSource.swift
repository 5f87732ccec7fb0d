import CustodyWire

/// A counterparty that may sign with certificates which are to be downloaded (平台证书).
public protocol CertificateSource: Sendable {
    /// Whether it may.
    var usesCertificates: Bool { get }
    /// Its certificates, asked for now unless that was done within the minute; nil when they cannot be had.
    ///
    /// For processes that verify callbacks without calling out: what is given here is to be kept for them.
    func refreshedCertificates() async -> [WeChatPayCertificate]?
}

extension WeChatPay: CertificateSource {}

extension WeChatEcommerce: CertificateSource {
    /// Whether WeChat may sign with certificates that are to be downloaded.
    public var usesCertificates: Bool { pay.usesCertificates }
    /// The same as ``WeChatPay/refreshedCertificates()``.
    public func refreshedCertificates() async -> [WeChatPayCertificate]? { await pay.refreshedCertificates() }
}
