import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation

/// Where everything of a demo listens.
struct DemoWorld: Sendable {
    let http: DemoClient
    let api: String
    let bank: String
    let weChat: String
    let alipay: String
    let directory: String
    /// For looking, never for acting: whether work is left, and whether the books prove right.
    let store: Store
}

/// One platform of the demo, its numbers at its counterparties, and its key.
struct DemoPlatform: Sendable {
    let name: String
    let tenant: String
    let key: String
    let market: String
    let mchid: String
    let appID: String
    /// The bank's accounts of the platform itself.
    let commissionAccount: String

    /// Provisions a platform the way an operator does: through the CLI, with accounts at every counterparty.
    static func provision(
        _ name: String, number: Int, _ world: DemoWorld, _ processes: DemoProcesses
    ) async throws -> DemoPlatform {
        let created = try JSON(parsing: try processes.run(["tenant", "create", "--name", name, "--sandbox", "--json"]))
        guard let tenant = created["id"]?.string, let token = created["callback_token"]?.string else {
            throw DemoFailure(description: "the platform was not provisioned")
        }
        let keyAnswer = try JSON(parsing: try processes.run(["key", "create", "--tenant", tenant, "--json"]))
        guard let key = keyAnswer["key"]?.string else { throw DemoFailure(description: "there is no key") }
        let market = "M0000000000\(number)"
        let (mchid, appID) = ("190000010\(number)", "202600000000000\(number)")

        let bankAccounts = try await linkBank(tenant, token, market, world, processes)
        try await linkWeChat(tenant, mchid, market, world, processes)
        try await linkAlipay(tenant, appID, market, world, processes)
        // Fails when a link is not as it should be.
        for counterparty in ["bank", "wechat", "alipay"] {
            _ = try processes.run(["doctor", counterparty, "--tenant", tenant, "--json"])
        }
        _ = try processes.run(["tenant", "terms", "--tenant", tenant, "--days", "1"])
        return DemoPlatform(
            name: name, tenant: tenant, key: key, market: market, mchid: mchid, appID: appID,
            commissionAccount: bankAccounts
        )
    }

    private static func linkBank(
        _ tenant: String, _ token: String, _ market: String, _ world: DemoWorld, _ processes: DemoProcesses
    ) async throws -> String {
        let keys = try CWP1KeyPair()
        let answer = try await world.http.call(
            .POST, "\(world.bank)/control/markets",
            [
                "partner_id": "P0000001", "market_id": .string(market), "partner_serial": "PARTNER01",
                "partner_public_key_pem": .string(keys.publicPEM),
                "notify_url": .string("\(world.api)/callbacks/bank/\(token)"),
            ]
        )
        guard let serial = answer["bank_serial"]?.string, let pem = answer["bank_public_key_pem"]?.string,
            let account = answer["fee_account"]?.string
        else { throw DemoFailure(description: "the bank did not open the market") }
        try link(
            tenant, "bank",
            [
                "base_url": .string(world.bank), "partner_id": "P0000001", "market_id": .string(market),
                "partner_serial": "PARTNER01", "partner_private_key_pem": .string(keys.privatePEM),
                "bank_keys": [["serial": .string(serial), "pem": .string(pem)]], "commission_account": .string(account),
            ], world, processes
        )
        return account
    }

    private static func linkWeChat(
        _ tenant: String, _ mchid: String, _ market: String, _ world: DemoWorld, _ processes: DemoProcesses
    ) async throws {
        let keys = try CWP1KeyPair()
        let apiKey = "demo-only-api-v3-key-0123456789ab"
        let answer = try await world.http.call(
            .POST, "\(world.weChat)/control/merchants",
            [
                "mchid": .string(mchid), "appid": "wxdemo0000000001", "api_v3_key": .string(String(apiKey.prefix(32))),
                "merchant_serial": "DEMO0001", "merchant_public_key_pem": .string(keys.publicPEM),
                "market_id": .string(market), "remit_url": .string("\(world.bank)/control/credits"),
            ]
        )
        guard let platformKeys = answer["platform_keys"] else {
            throw DemoFailure(description: "WeChat Pay gave no keys")
        }
        try link(
            tenant, "wechat_pay",
            [
                "base_url": .string(world.weChat), "mchid": .string(mchid), "appid": "wxdemo0000000001",
                "merchant_serial": "DEMO0001", "merchant_private_key_pem": .string(keys.privatePEM),
                "api_v3_key": .string(String(apiKey.prefix(32))), "platform_keys": platformKeys, "fee_basis_points": 60,
            ], world, processes
        )
    }

    private static func linkAlipay(
        _ tenant: String, _ appID: String, _ market: String, _ world: DemoWorld, _ processes: DemoProcesses
    ) async throws {
        let keys = try CWP1KeyPair()
        let seller = "2088" + appID.suffix(12)
        let answer = try await world.http.call(
            .POST, "\(world.alipay)/control/merchants",
            [
                "app_id": .string(appID), "seller_id": .string(seller), "app_public_key_pem": .string(keys.publicPEM),
                "market_id": .string(market), "remit_url": .string("\(world.bank)/control/credits"),
            ]
        )
        guard let pem = answer["alipay_public_key_pem"] else { throw DemoFailure(description: "Alipay gave no key") }
        try link(
            tenant, "alipay",
            [
                "gateway_url": .string("\(world.alipay)/gateway.do"), "app_id": .string(appID),
                "seller_id": .string(seller),
                "app_private_key_pem": .string(keys.privatePEM), "alipay_public_key_pem": pem, "fee_basis_points": 60,
            ], world, processes
        )
    }

    private static func link(
        _ tenant: String, _ counterparty: String, _ link: JSON, _ world: DemoWorld, _ processes: DemoProcesses
    ) throws {
        let file = "\(world.directory)/\(counterparty)-\(tenant).json"
        try writePrivate(Data(link.bytes), to: file)
        _ = try processes.run(["tenant", "link", "--tenant", tenant, "--counterparty", counterparty, "--file", file])
    }
}
