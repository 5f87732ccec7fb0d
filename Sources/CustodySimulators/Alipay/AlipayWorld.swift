import AsyncHTTPClient
import CustodyDomain
import CustodyWire
import Synchronization

/// All that the simulated Alipay knows, and the verbs that change it.
final class AlipayWorld: Sendable {
    /// A business failure: `40004` with its `sub_code`.
    struct Failure: Error {
        let subCode: String
        let message: String

        init(_ subCode: String, _ message: String) {
            self.subCode = subCode
            self.message = message
        }
    }

    /// A bill file that can be downloaded for a while.
    struct Download: Sendable {
        let bytes: [UInt8]
        let expiresAt: Instant
    }

    private struct State {
        var merchants: [String: AlipayMerchant] = [:]
        var downloads: [String: Download] = [:]
        var sequence: Int64 = 0
        /// When each application called within the last second of real time, by method, and `*` for all of them.
        var calls: [String: [Instant]] = [:]
    }

    let clock: SimulatorClock
    let client: HTTPClient
    private let notifier: AlipayNotifier
    private let state = Mutex(State())

    init(clock: SimulatorClock, client: HTTPClient, notifier: AlipayNotifier) {
        self.clock = clock
        self.client = client
        self.notifier = notifier
    }

    /// Sends a message to an application's gateway, where it has one.
    func tell(_ appID: String, _ method: String, _ content: JSON) async {
        guard let merchant = merchant(appID) else { return }
        let notifyID = nextNumber(of: appID, kind: "00000")
        guard let message = notifier.message(method, content, to: merchant, notifyID: notifyID) else { return }
        await notifier.send(message)
    }

    /// Sends a notification of a trade.
    func tell(_ notification: AlipayNotifier.Notification) async { await notifier.send(notification) }

    /// The merchant as it is now.
    func merchant(_ appID: String) -> AlipayMerchant? { state.withLock { $0.merchants[appID] } }

    /// Registers a merchant, or changes what it is registered with.
    func register(_ merchant: AlipayMerchant) {
        state.withLock { state in
            guard var known = state.merchants[merchant.appID] else {
                state.merchants[merchant.appID] = merchant
                return
            }
            known.sellerID = merchant.sellerID
            known.verifier = merchant.verifier
            known.mode = merchant.mode
            known.marketID = merchant.marketID
            known.remitURL = merchant.remitURL
            known.messageURL = merchant.messageURL
            known.rateLimit = merchant.rateLimit
            known.hasMagicAmounts = merchant.hasMagicAmounts
            known.royaltyRatio = merchant.royaltyRatio
            known.methodLimits = merchant.methodLimits
            known.cipher = merchant.cipher
            known.notifiesEnd = merchant.notifiesEnd
            known.needsSignatures = merchant.needsSignatures
            known.registeredOn = merchant.registeredOn
            state.merchants[merchant.appID] = known
        }
    }

    /// Changes a merchant, at its time.
    func change<Value: Sendable>(
        _ appID: String, _ body: (inout AlipayMerchant, Instant) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let now = clock.now(of: appID)
        let result = state.withLock { state -> Result<Value, Failure> in
            guard var merchant = state.merchants[appID] else {
                return .failure(Failure("isv.invalid-app-id", "无效的AppID参数"))
            }
            // Taken out while it is changed, so that its collections are not copied.
            state.merchants[appID] = nil
            defer { state.merchants[appID] = merchant }
            do throws(Failure) {
                return .success(try body(&merchant, now))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Counts a call; false when it is one too many within a second of real time.
    ///
    /// - Parameter method: By its name in `/control/faults`; `*` for all of them.
    func admits(_ appID: String, _ method: String) -> Bool {
        let now = SimulatorClock.realNow()
        return state.withLock { state in
            let merchant = state.merchants[appID]
            guard let limit = method == "*" ? merchant?.rateLimit : merchant?.methodLimits[method] else { return true }
            let key = "\(appID) \(method)"
            let recent = (state.calls[key] ?? []).filter { now - $0 < .seconds(1) }
            state.calls[key] = recent.count < limit ? recent + [now] : recent
            return recent.count < limit
        }
    }

    /// A number nobody else has.
    func nextNumber() -> Int64 {
        state.withLock { state in
            state.sequence += 1
            return state.sequence
        }
    }

    /// A number as Alipay's look: a merchant's date, what it numbers (`22001` for trades), and a running number.
    func nextNumber(of appID: String, kind: String = "22001") -> String {
        let digits = String(nextNumber())
        let date = BusinessDate(of: clock.now(of: appID))
        return "\(date.compact)\(kind)\(String(repeating: "0", count: max(0, 15 - digits.count)))\(digits)"
    }

    /// Keeps a file for a while of real time, and forgets what is over.
    func offer(_ bytes: [UInt8], for duration: Duration) -> String {
        let token = (0..<4).map { _ in String(UInt32.random(in: 0x1000_0000...UInt32.max), radix: 16) }.joined()
        let now = SimulatorClock.realNow()
        state.withLock { state in
            state.downloads = state.downloads.filter { $0.value.expiresAt > now }
            state.downloads[token] = Download(bytes: bytes, expiresAt: now + duration)
        }
        return token
    }

    /// The file behind a token; nil once its time is over.
    func download(_ token: String) -> [UInt8]? {
        let now = SimulatorClock.realNow()
        return state.withLock { $0.downloads[token].flatMap { $0.expiresAt > now ? $0.bytes : nil } }
    }
}
