import CustodyWire

/// How the API listens, and what it allows its callers.
public struct APIConfiguration: Sendable {
    /// An address to listen at.
    public struct Address: Hashable, Sendable {
        /// A host name or address of this machine.
        public var host: String
        /// The port; 0 lets the system choose.
        public var port: Int

        /// Makes an address.
        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    /// The server's certificate: TLS 1.2 or newer, HTTP/2 when the caller knows it.
    public struct TLS: Hashable, Sendable {
        /// A file with the certificate and its chain, PEM.
        public var certificatePath: String
        /// A file with the private key, PEM.
        public var keyPath: String

        /// Names the files.
        public init(certificatePath: String, keyPath: String) {
            self.certificatePath = certificatePath
            self.keyPath = keyPath
        }
    }

    /// What keeps hostile and broken clients from holding what belongs to all.
    public struct Limits: Hashable, Sendable {
        /// How long a new connection may take until the first request's header is whole (handshake included).
        public var header: Duration = .seconds(10)
        /// How long a request may take from its header to its last byte, however steadily it dribbles.
        public var request: Duration = .seconds(30)
        /// How long a connection may stay without a request after one was answered.
        public var idle: Duration = .seconds(75)
        /// How long a response may make no progress because the client does not read it.
        public var writeStall: Duration = .seconds(20)
        /// The most connections of one listener; more wait in the backlog.
        public var connections = 1024
        /// The most bytes of a request's header.
        public var headerBytes = 16 * 1024
        /// The most fields of a request's header.
        public var headerFields = 100

        /// The limits that suit the open internet.
        public init() {}
    }

    /// Where platforms, channels and bank call.
    public var platform: Address
    /// Where admins call.
    public var admin: Address
    /// Where health, readiness and metrics are asked for.
    public var operations: Address
    /// The certificate of the platforms' listener; nil behind a proxy that ends TLS.
    public var tls: TLS?
    /// What callers may take.
    public var limits: Limits
    /// The proxies of ours whose `X-Forwarded-For` is believed.
    public var trustedProxies: [AddressRange]
    /// What admins show as `Authorization: Bearer`; nil closes the admin listener.
    public var adminToken: String?
    /// The number of the newest migration this build knows: the database must be there before it is ready.
    public var migration: Int
    /// The bytes of `openapi.yaml`, served as they are and as a page.
    public var contract: [UInt8]

    /// Makes a configuration; every port is the default unless another is said.
    public init(
        platform: Address = Address(host: "0.0.0.0", port: 8080),
        admin: Address = Address(host: "127.0.0.1", port: 8081),
        operations: Address = Address(host: "0.0.0.0", port: 8082), tls: TLS? = nil, limits: Limits = Limits(),
        trustedProxies: [AddressRange] = [], adminToken: String?, migration: Int, contract: [UInt8] = []
    ) {
        self.platform = platform
        self.admin = admin
        self.operations = operations
        self.tls = tls
        self.limits = limits
        self.trustedProxies = trustedProxies
        self.adminToken = adminToken
        self.migration = migration
        self.contract = contract
    }
}
