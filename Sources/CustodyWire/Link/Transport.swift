/// How a counterparty is reached, and from where it may reach us: the part of a link that is the same for all of them.
///
/// Everything has a default; a field that is not known is refused, since a misspelt one would leave a line open.
public struct Transport: Hashable, Sendable {
    /// The lowest version of TLS that is spoken.
    public enum TLSVersion: String, Hashable, Sendable, Decodable {
        /// TLS 1.2
        case v12 = "1.2"
        /// TLS 1.3
        case v13 = "1.3"
    }

    /// A proxy that calls out for us.
    public struct Proxy: Hashable, Sendable {
        /// The kinds.
        public enum Kind: String, Hashable, Sendable {
            /// Tunnels through HTTP CONNECT.
            case http
            /// SOCKS 5
            case socks5
        }

        /// What it speaks.
        public let kind: Kind
        /// Its name or address.
        public let host: String
        /// Its port.
        public let port: Int
    }

    /// At most so many calls of some operations within a time.
    public struct RateRule: Hashable, Sendable {
        /// The operations whose name, or path, begins so; empty is all of them.
        public let operation: String
        /// So many calls.
        public let calls: Int
        /// Within so long.
        public let period: Duration

        /// Makes a rule.
        public init(operation: String = "", calls: Int, per period: Duration) {
            self.operation = operation
            self.calls = calls
            self.period = period
        }
    }

    /// The lowest version of TLS that is spoken.
    public var minimumTLS = TLSVersion.v12
    /// The only certificate authorities that are believed, PEM; nil believes the system's.
    public var authoritiesPEM: String?
    /// The certificate that we show, with its chain, PEM.
    public var certificatePEM: String?
    /// Its private key, PEM. Secret.
    public var privateKeyPEM: String?
    /// Who calls out for us.
    public var proxy: Proxy?
    /// The address of this machine that calls come from.
    public var sourceAddress: String?
    /// The counterparty's address, where its name is not to be looked up, as on a leased line.
    public var address: String?
    /// From nothing to a connection, TLS included.
    public var connectTimeout = Duration.seconds(5)
    /// The longest silence within an answer.
    public var idleTimeout = Duration.seconds(10)
    /// From the first byte of the connection to the last of the answer.
    public var totalTimeout = Duration.seconds(15)
    /// So many calls in a row that found nobody open the breaker.
    public var breakerFailures = 5
    /// So long an open breaker stays open at first; each failed trial doubles it, up to a minute.
    public var breakerPause = Duration.seconds(5)
    /// Limits beside those that the counterparty documents.
    public var rateRules: [RateRule] = []
    /// Where its callbacks may come from; empty is anywhere.
    public var callbackSources: [AddressRange] = []

    /// The defaults.
    public init() {}
}

extension Transport: CustomStringConvertible, CustomReflectable {
    /// Where it goes through; never a key.
    public var description: String { "Transport(TLS \(minimumTLS.rawValue), proxy: \(proxy?.host ?? "none"))" }
    /// Nothing, so that dumps hold no secrets.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
