extension Transport {
    /// Any link, of which only the transport is read.
    public struct Holder: Decodable {
        /// What the link says, or the defaults.
        public let transport: Transport

        private enum CodingKeys: String, CodingKey { case transport }

        /// Reads a link's `transport` object.
        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            transport = try fields.decodeIfPresent(Transport.self, forKey: .transport) ?? Transport()
        }
    }
}

extension Transport: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case minimumTLS = "minimum_tls"
        case authoritiesPEM = "ca_pem"
        case certificatePEM = "client_certificate_pem"
        case privateKeyPEM = "client_private_key_pem"
        case proxy
        case sourceAddress = "source_address"
        case address
        case connectTimeout = "connect_timeout_ms"
        case idleTimeout = "idle_timeout_ms"
        case totalTimeout = "total_timeout_ms"
        case breakerFailures = "breaker_failures"
        case breakerPause = "breaker_pause_ms"
        case rateRules = "rate_limits"
        case callbackSources = "callback_sources"
    }

    /// A name that stands for any field.
    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// Reads the `transport` object of a link.
    ///
    /// - Throws: `DecodingError` with the path of the field that is wrong; never its value.
    public init(from decoder: any Decoder) throws {
        self.init()
        let known = Set(CodingKeys.allCases.map(\.rawValue))
        for name in try decoder.container(keyedBy: Name.self).allKeys where !known.contains(name.stringValue) {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath + [name], debugDescription: "unknown"))
        }
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        minimumTLS = try fields.decodeIfPresent(TLSVersion.self, forKey: .minimumTLS) ?? minimumTLS
        authoritiesPEM = try fields.decodeIfPresent(String.self, forKey: .authoritiesPEM)
        certificatePEM = try fields.decodeIfPresent(String.self, forKey: .certificatePEM)
        privateKeyPEM = try fields.decodeIfPresent(String.self, forKey: .privateKeyPEM)
        guard (certificatePEM == nil) == (privateKeyPEM == nil) else {
            throw Transport.wrong(certificatePEM == nil ? .certificatePEM : .privateKeyPEM, in: fields)
        }
        proxy = try fields.decodeIfPresent(Proxy.self, forKey: .proxy)
        sourceAddress = try Transport.address(.sourceAddress, in: fields)
        address = try Transport.address(.address, in: fields)
        connectTimeout = try Transport.time(.connectTimeout, in: fields) ?? connectTimeout
        idleTimeout = try Transport.time(.idleTimeout, in: fields) ?? idleTimeout
        totalTimeout = try Transport.time(.totalTimeout, in: fields) ?? totalTimeout
        breakerPause = try Transport.time(.breakerPause, in: fields) ?? breakerPause
        breakerFailures = try fields.decodeIfPresent(Int.self, forKey: .breakerFailures) ?? breakerFailures
        guard (1...1000).contains(breakerFailures) else { throw Transport.wrong(.breakerFailures, in: fields) }
        rateRules = try fields.decodeIfPresent([RateRule].self, forKey: .rateRules) ?? []
        callbackSources = try (fields.decodeIfPresent([String].self, forKey: .callbackSources) ?? []).map {
            guard let range = AddressRange($0) else { throw Transport.wrong(.callbackSources, in: fields) }
            return range
        }
    }

    private static func time(
        _ key: CodingKeys, in fields: KeyedDecodingContainer<CodingKeys>
    ) throws -> Duration? {
        guard let milliseconds = try fields.decodeIfPresent(Int.self, forKey: key) else { return nil }
        guard (1...600_000).contains(milliseconds) else { throw wrong(key, in: fields) }
        return .milliseconds(milliseconds)
    }

    private static func address(
        _ key: CodingKeys, in fields: KeyedDecodingContainer<CodingKeys>
    ) throws -> String? {
        guard let text = try fields.decodeIfPresent(String.self, forKey: key) else { return nil }
        guard !text.contains("/"), AddressRange(text) != nil else { throw wrong(key, in: fields) }
        return text
    }

    private static func wrong(_ key: CodingKeys, in fields: KeyedDecodingContainer<CodingKeys>) -> DecodingError {
        .dataCorrupted(.init(codingPath: fields.codingPath + [key], debugDescription: "not usable"))
    }
}

extension Transport.Proxy: Decodable {
    /// Reads `http://host:port` or `socks5://host:port`.
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        let parts = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        let place = parts.last.map(String.init) ?? ""
        guard parts.count == 2, let kind = Kind(rawValue: String(parts[0])), let colon = place.lastIndex(of: ":"),
            let port = Int(place[place.index(after: colon)...]), (1...65535).contains(port), colon != place.startIndex,
            !place.contains("/"), !place.contains("@")
        else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no proxy"))
        }
        self.kind = kind
        host = String(place[..<colon])
        self.port = port
    }
}

extension Transport.RateRule: Decodable {
    private enum CodingKeys: String, CodingKey {
        case operation
        case calls
        case seconds
    }

    /// Reads `{"operation": "/v3/bill", "calls": 3, "seconds": 1}`; without an operation it holds for all.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        operation = try fields.decodeIfPresent(String.self, forKey: .operation) ?? ""
        calls = try fields.decode(Int.self, forKey: .calls)
        let seconds = try fields.decodeIfPresent(Int.self, forKey: .seconds) ?? 1
        guard (1...100_000).contains(calls), (1...86_400).contains(seconds) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no limit"))
        }
        period = .seconds(seconds)
    }
}
