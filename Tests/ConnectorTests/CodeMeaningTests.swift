import CustodyDomain
import CustodyWire
import Testing

@testable import CustodyConnectors

/// What the counterparties' codes mean: only the connectors compare them.
@Suite struct CodeMeaningTests {
    @Test(arguments: [
        ("100301", CodeMeaning.refused(.forNow(retryAfter: .seconds(600)))), ("100001", .refused(.final)),
        ("100201", .refused(.final)), ("200002", .refused(.numberTaken)), ("800001", .unknown(.systemError)),
        ("900001", .unknown(.systemError)), ("", .unknown(.systemError)), ("10030", .unknown(.systemError)),
    ])
    func `the bank's codes`(_ code: String, _ meaning: CodeMeaning) {
        #expect(CWP1Codes.meaning(CWP1ReturnCode(code)) == meaning)
    }

    @Test(arguments: [
        ("FREQUENCY_LIMITED", 403, CodeMeaning.refused(.forNow(retryAfter: .seconds(60)))),
        ("RATELIMIT_EXCEEDED", 400, .refused(.forNow(retryAfter: .seconds(60)))),
        ("SYSTEM_ERROR", 400, .unknown(.systemError)), ("BANK_ERROR", 400, .unknown(.systemError)),
        ("ORDERPAID", 400, .refused(.numberTaken)), ("OUT_TRADE_NO_USED", 403, .refused(.numberTaken)),
        ("PARAM_ERROR", 400, .refused(.final)), ("NO_AUTH", 403, .refused(.final)),
        ("NEVER_HEARD_OF", 404, .refused(.final)), ("PARAM_ERROR", 302, .unknown(.malformedAnswer)),
    ])
    func `WeChat Pay's codes`(_ code: String, _ status: Int, _ meaning: CodeMeaning) {
        #expect(WeChatPayCodes.meaning(code, status: status) == meaning)
    }

    @Test(arguments: [
        ("INVALID_REQUEST", "订单处理中，请稍后重试", CodeMeaning.refused(.forNow(retryAfter: .seconds(60)))),
        ("INVALID_REQUEST", "日终余额尚未生成", .refused(.forNow(retryAfter: .seconds(1800)))),
        ("INVALID_REQUEST", "请求重入时，参数与首次请求时不一致", .refused(.numberTaken)),
        ("PARAM_ERROR", "微信支付订单号与原请求不一致", .refused(.numberTaken)),
        ("RESOURCE_ALREADY_EXISTS", "回调地址已存在", .refused(.numberTaken)),
        ("INVALID_REQUEST", "非分账订单不支持分账", .refused(.final)), ("PARAM_ERROR", "请稍后", .refused(.final)),
    ])
    func `WeChat Pay's general codes mean what their messages say`(
        _ code: String, _ message: String, _ meaning: CodeMeaning
    ) {
        #expect(WeChatPayCodes.meaning(code, status: 400, message: message) == meaning)
    }

    static let alipayCodes: [(String, String?, CodeMeaning)] = [
        ("20000", "isp.unknow-error", .unknown(.systemError)), ("10003", nil, .unknown(.systemError)),
        ("40004", "ACQ.SYSTEM_ERROR", .unknown(.systemError)),
        ("40004", "aop.ACQ.SYSTEM_ERROR", .unknown(.systemError)),
        ("40004", "aop.unknow-error", .unknown(.systemError)),
        ("40004", "SYSTEM_RATE_LIMIT", .refused(.forNow(retryAfter: .seconds(60)))),
        ("40005", "isv.app-call-limited", .refused(.forNow(retryAfter: .seconds(60)))),
        ("40004", "ACQ.INVALID_PARAMETER", .refused(.final)), ("40001", nil, .refused(.final)),
        ("40004", "ACQ.TRADE_HAS_CLOSE", .refused(.final)),
    ]

    @Test(arguments: alipayCodes)
    func `Alipay's codes`(_ code: String, _ subCode: String?, _ meaning: CodeMeaning) {
        #expect(AlipayCodes.meaning(code, subCode: subCode, of: "alipay.trade.refund") == meaning)
    }

    @Test func `an order that is there already is refused to precreate, and closed to refund`() {
        let code = "ACQ.TRADE_HAS_CLOSE"
        #expect(
            AlipayCodes.meaning("40004", subCode: code, of: "alipay.trade.precreate") == .refused(.numberTaken))
        #expect(AlipayCodes.meaning("40004", subCode: code, of: "alipay.trade.refund") == .refused(.final))
    }

    static let waits: [(String, Duration?)] = [
        ("30", .seconds(30)), ("0", .zero), ("-1", nil), ("soon", nil), ("999999", nil),
    ]

    @Test(arguments: waits)
    func `what Retry-After asks for is done within a day`(_ text: String, _ duration: Duration?) {
        let answer = Outbound.Answer(status: 429, headers: [("retry-after", text)], body: [])
        #expect(answer.retryAfter == duration)
    }
}
