import HTTPTypes

/// The contract: as the file it is, and as a page to read.
struct ContractRoutes {
    private let contract: [UInt8]
    private let page: [UInt8]

    /// Reads the contract.
    ///
    /// - Throws: A reader's error when it is no YAML.
    init(contract: [UInt8]) throws {
        self.contract = contract
        page = Array(try ContractPage(contract: contract).html.utf8)
    }

    var routes: [Route] {
        [
            Route(.get, "/openapi.yaml", .open) { [contract] _ in
                Reply(status: .ok, contentType: "application/yaml", body: contract)
            },
            Route(.get, "/docs", .open) { [page] _ in
                Reply(
                    status: .ok, contentType: "text/html; charset=utf-8", body: page,
                    headers: [.contentSecurityPolicy: "default-src 'none'; style-src 'unsafe-inline'"])
            },
        ]
    }
}
