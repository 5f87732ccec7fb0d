/// The settings of one platform's link to a bank that speaks CWP/1: addresses and keys, as the platform's secrets hold them.
public struct CWP1Link: Codable, Hashable, Sendable {
    /// A public key of the bank. Two are valid while the bank rotates.
    public struct BankKey: Codable, Hashable, Sendable {
        /// The serial number that answers and notifications name (`X-Cust-Serial`).
        public var serial: String
        /// The public key in PEM, of RSA's or SM2's.
        public var pem: String

        /// Makes a key.
        public init(serial: String, pem: String) {
            self.serial = serial
            self.pem = pem
        }
    }

    /// Where the bank listens, without a trailing slash: `https://bank.example.com`.
    public var baseURL: String
    /// Who we are at the bank (`partnerId`).
    public var partnerID: String
    /// The platform's custody programme at the bank (`marketId`).
    public var marketID: String
    /// The serial number under which the bank knows our key.
    public var partnerSerial: String
    /// Our private key in PEM, of RSA's or SM2's: it says how we sign. Secret.
    public var partnerPrivateKeyPEM: String
    /// The bank's keys; personal fields are encrypted to the first.
    public var bankKeys: [BankKey]

    /// Makes settings.
    public init(
        baseURL: String, partnerID: String, marketID: String, partnerSerial: String, partnerPrivateKeyPEM: String,
        bankKeys: [BankKey]
    ) {
        self.baseURL = baseURL
        self.partnerID = partnerID
        self.marketID = marketID
        self.partnerSerial = partnerSerial
        self.partnerPrivateKeyPEM = partnerPrivateKeyPEM
        self.bankKeys = bankKeys
    }

    private enum CodingKeys: String, CodingKey {
        case baseURL = "base_url"
        case partnerID = "partner_id"
        case marketID = "market_id"
        case partnerSerial = "partner_serial"
        case partnerPrivateKeyPEM = "partner_private_key_pem"
        case bankKeys = "bank_keys"
    }
}
