import AsyncHTTPClient
import CustodyDomain
import CustodyWire
import NIOCore
import NIOHTTP1
import Synchronization

/// Sends notifications until they are answered with `success`: at once, then 4m, 10m, 10m, 1h, 2h, 6h, 15h later.
final class AlipayNotifier: Sendable {
    /// What became of a notification.
    struct Delivery: Sendable {
        let notifyID: String
        let outTradeNo: String
        let outRequestNo: String?
        var attempts = 0
        var isAcknowledged = false
    }

    /// A notification about to be sent.
    struct Notification: Sendable {
        let appID: String
        let url: String
        let notifyID: String
        let outTradeNo: String
        let outRequestNo: String?
        let amount: Fen
        /// All fields but `notify_time`, which each attempt has its own of.
        let fields: [URLForm.Field]
    }

    /// A message to the application's gateway (应用网关), about a settlement or a sub-merchant.
    func message(_ method: String, _ content: JSON, to merchant: AlipayMerchant, notifyID: String) -> Notification? {
        guard let url = merchant.messageURL else { return nil }
        return Notification(
            appID: merchant.appID, url: url, notifyID: notifyID,
            outTradeNo: content["external_id"]?.string ?? content["trade_no"]?.string ?? "",
            outRequestNo: content["out_request_no"]?.string, amount: .zero,
            fields: [
                .init("notify_id", notifyID), .init("msg_method", method), .init("app_id", merchant.appID),
                .init("version", "1.1"), .init("charset", "utf-8"), .init("biz_content", content.text),
            ])
    }

    /// The waits between attempts.
    static let intervals: [Duration] = [
        .seconds(240), .seconds(600), .seconds(600), .seconds(3600), .seconds(7200), .seconds(21_600),
        .seconds(54_000),
    ]

    private let clock: SimulatorClock
    private let faults: FaultRules
    private let signer: RSASigner
    private let client: HTTPClient
    private let log = Mutex<[String: [Delivery]]>([:])

    init(clock: SimulatorClock, faults: FaultRules, signer: RSASigner, client: HTTPClient) {
        self.clock = clock
        self.faults = faults
        self.signer = signer
        self.client = client
    }

    /// All deliveries about a merchant, oldest first.
    func deliveries(of appID: String) -> [Delivery] { log.withLock { $0[appID] ?? [] } }

    /// Makes the first attempt, unless a fault on `notify` says otherwise.
    func send(_ notification: Notification) async {
        log.withLock {
            $0[notification.appID, default: []].append(
                Delivery(
                    notifyID: notification.notifyID, outTradeNo: notification.outTradeNo,
                    outRequestNo: notification.outRequestNo))
        }
        let now = clock.now(of: notification.appID)
        let rule = faults.take(
            "notify", merchant: notification.appID,
            serial: notification.outRequestNo ?? notification.outTradeNo, amount: notification.amount)
        switch rule?.fault {
        case "never": return
        case "delay":
            let delay = Duration.seconds(rule?.parameters["delay_seconds"]?.integer ?? 3600)
            clock.schedule(notification.appID, at: now + delay) { at in
                await self.attempt(notification, number: 0, at: at)
            }
        case "duplicate":
            let times = Int(clamping: rule?.parameters["times"]?.integer ?? 2)
            await withDiscardingTaskGroup { group in
                for _ in 1..<max(times, 1) {
                    group.addTask { _ = await self.post(notification, at: now, isForged: false) }
                }
                group.addTask { await self.attempt(notification, number: 0, at: now) }
            }
        case "bad_signature":
            _ = await post(notification, at: now, isForged: true)
            await attempt(notification, number: 0, at: now)
        default: await attempt(notification, number: 0, at: now)
        }
    }

    private func attempt(_ notification: Notification, number: Int, at: Instant) async {
        let isAcknowledged = await post(notification, at: at, isForged: false)
        guard !isAcknowledged, number < AlipayNotifier.intervals.count else { return }
        clock.schedule(notification.appID, at: at + AlipayNotifier.intervals[number]) { next in
            await self.attempt(notification, number: number + 1, at: next)
        }
    }

    /// Sends once; true when the answer is exactly `success`.
    private func post(_ notification: Notification, at: Instant, isForged: Bool) async -> Bool {
        let isMessage = notification.fields.contains { $0.name == "msg_method" }
        let fields =
            notification.fields + [
                isMessage
                    ? .init("utc_timestamp", String(at.microseconds / 1000))
                    : .init("notify_time", at.shanghaiWallClock)
            ]
        guard var body = try? AlipayNotify.body(fields, signer: signer) else { return false }
        if isForged, let signed = try? URLForm.decode(body) {
            // A forged one carries another amount than was signed.
            let forged = signed.map { $0.name == "total_amount" ? URLForm.Field($0.name, "0.01") : $0 }
            body = Array(URLForm.encode(forged).utf8)
        }
        var request = HTTPClientRequest(url: notification.url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8")
        request.body = .bytes(body)
        var isAcknowledged = false
        if let response = try? await client.execute(request, timeout: .seconds(5)), response.status == .ok,
            let answer = try? await response.body.collect(upTo: 4096)
        {
            isAcknowledged = answer.readableBytesView.elementsEqual(AlipayNotify.acknowledgement.utf8)
        }
        record(notification, isAcknowledged)
        return isAcknowledged
    }

    private func record(_ notification: Notification, _ isAcknowledged: Bool) {
        log.withLock { log in
            guard
                let index = log[notification.appID]?.lastIndex(where: { $0.notifyID == notification.notifyID })
            else { return }
            log[notification.appID]?[index].attempts += 1
            if isAcknowledged { log[notification.appID]?[index].isAcknowledged = true }
        }
    }
}
