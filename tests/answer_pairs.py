"""A right answer and an answer to it, a pair a line: those that are equal, and those that are not, by kind."""

EQUAL = r"""
# equal texts
\text{no solution} == \boxed{\text{no solution}}
\$36 == \boxed{\$36}
k\pi, k\in\mathbb{Z} == \boxed{k\pi, k\in\mathbb{Z}}
b>a>c == b>a>c
1, 2, \ldots, 10 == 1,2,\ldots,10
3:30\text{ PM} == \boxed{3:30 \text{ PM}}
\text{June 20} == June 20
p \mid q == \boxed{p\mid q}
\text{(B)} == B
\text{Evelyn} == \boxed{Evelyn}
no solution == \boxed{\text{No solution}}
# money
36 == \boxed{\$36}
36 == The cost is \$36.
36 == Thus the total cost is $36.
36 == Janet makes $36 every day.
\$36 == 36
\$18.90 == 18.9
1.5 == 1.50 dollars
36 == €36
\$32,\!348 == \$32{,}348
\$1,234.50 == 1234.5
# units
5 == 5 cm
5 == 5\text{ cm}
5\text{ cm} == 5
5 == \boxed{5 \, \mathrm{cm}^2}
864 \mbox{ inches}^2 == 864
864 == 864 square inches
100 == 100 cm²
60 == 60 miles per hour
25\text{ km/h} == 25
12\pi == \boxed{12\pi\ \text{cm}^3}
48\pi == 48 π cm^3
12 == \boxed{12 \text{ (square units)}}
\text{2 hours} == 2
5.4 \text{ cents} == 5.4 cents
3 == 3^{\text{rd}}
3 == 3rd
45^\circ == 45 degrees
45 == 45°
5^\circ C == 5
\sin 30^\circ == 1/2
# numbers
12345 == 12\,345
12345 == 12 345
10,\! 080 == 10,080
1234567.89 == 1,234,567.89
5/2 == 2 1/2
\frac{50}{3} == 16\tfrac{2}{3}
-1\frac{1}{2} == -1 1/2
2.5 == 2½
1.75 == 1\frac34
1000000 == 1e6
0.0015 == 1.5 × 10^-3
2.5\times10^{5} == 250000
\frac{1}{3} == 0.\overline{3}
\frac16 == 0.1\overline{6}
0.5 == .5
27 == 27.0
7 == 007
-1 == −1
10^{12} == 10^12
8! == 40320
# decimals that are exactly it, or right answers that are decimals
\frac{5}{4} == 1.25
0.333333 == \frac13
0.333 == 1/3
3.14 == \pi
# percent
0.25 == 25\%
12.5\% == 0.125
12.5\% == 12.5
50 == 50\%
50\% == 50 percent
33\frac{1}{3}\% == 33\frac{1}{3}
# words
7000000 == 7 million
84 == 7 dozen
12 == twelve
25 == twenty-five
\frac{2}{3} == two thirds
\frac{1}{2} == The probability is one half.
\frac{7}{2} == three and a half
-2 == negative two
5 == \text{The answer is }5
2:3 == 2 to 3
\mathbb{R} == all real numbers
\text{Tuesday} == It is Tuesday.
\text{ellipse} == The graph is an ellipse.
no solution == There is no solution.
# roots, powers, constants, and the signs of programs
\sqrt{2} == √2
5\sqrt{2} == 5√2
\frac{\sqrt{3}}{3} == 1/√3
1+\sqrt{3} == 1 + sqrt(3)
\frac{1+\sqrt{5}}{2} == (1+sqrt(5))/2
4\sqrt{2} == 4\sqrt(2)
\sqrt[3]{2} == ∛2
-2\pi == -2*pi
\frac{\pi}{4} == π/4
2^{10} == 2**10
x^2+2x+1 == x**2 + 2*x + 1
2^{n+1}-1 == 2^(n+1) - 1
x^{2/3} == x^(2/3)
\frac{1}{2}\ln 3 == ln(3)/2
# roots of variables
\sqrt{1/n} == \frac{1}{\sqrt{n}}
\sqrt{\frac{a}{b}} == \frac{\sqrt{a}}{\sqrt{b}}
\frac{x}{\sqrt{x}} == \sqrt{x}
# complex numbers
14-i == 14 - 1i
3+4i == 4i+3
-3i == -3*i
2+2i == 2(1+i)
# bases
204_5 == 204_{5}
1011_2 == 1011 base 2
2516_8 == 2516_{\text{eight}}
12_{10} == 12
2A_{16} == (2a)_{16}
# implied products
6 == 2(3)
6 == \boxed{(2)(3)}
6 == \boxed{(2)3}
6 == 2\left(3\right)
6 == \boxed{2[3]}
6 == \boxed{2\{3\}}
8 == 4(2)
7 == \boxed{2(3)+1}
15 == 3(2+3)
24 == (2)(3)(4)
1 == \boxed{2\left(\frac{1}{2}\right)}
-6 == \boxed{-2(3)}
3 == \boxed{2(1.5)}
18 == \boxed{2(3)^2}
6 == \boxed{\sqrt{4(9)}}
\frac{1}{6} == \boxed{\frac{1}{2(3)}}
6 == \boxed{\frac{4}{2}(3)}
6\pi == \boxed{2\pi(3)}
12 == \boxed{2\binom{4}{2}}
2 == \boxed{2e^0}
10^6 == \boxed{10^{2(3)}}
7 == \boxed{2(3\frac{1}{2})}
20 == \boxed{2^{2}(5)}
3 == \log_2(8)
2f(3) == \boxed{2f(3)}
(0,1)\cup(2,3) == \boxed{(0,1)\cup(2,3)}
# fractions
\frac{1}{2} == \dfrac{1}{2}
\frac 59 == 5/9
\frac{11+9a}{20} == \dfrac{9a + 11}{20}
\frac{n(n+1)}{2} == n(n+1)/2
1/6 == \boxed{\frac{6}{36} = \frac{1}{6}}
# equations, several answers, sets, intervals, matrices
5 == \boxed{x=5}
x=5 == 5
12 == \boxed{\text{Area} = 12}
15 == \boxed{3 \times 5 = 15}
1,2 == x=1 or x=2
-1, 3 == \boxed{x=-1\text{ or }x=3}
(2,-1) == \boxed{x = 2, \, y = -1}
3+\sqrt2, 3-\sqrt2 == 3 ± √2
\{1\pm\sqrt{5},-2\} == \{-2, 1-\sqrt5, 1+\sqrt5\}
\{1,2,3\} == {3, 2, 1}
y = -x + 1 == x + y = 1
(-\infty,3)\cup(5,\infty) == (-inf, 3) U (5, inf)
(-\infty,3)\cup(5,\infty) == (-∞,3)∪(5,∞)
[3,\infty) == x \ge 3
[-2,7] == -2 \leq x \leq 7
\{x \mid x>3\} == x>3
\left( \frac{3}{5}, \frac{8}{3} \right] == (0.6, 8/3]
\langle 1,2\rangle == (1,2)
\begin{pmatrix} 1/2 \\ 1 \end{pmatrix} == \begin{pmatrix} 0.5 \\ 1 \end{pmatrix}
\begin{bmatrix}1&0\\0&1\end{bmatrix} == \left[\begin{array}{cc}1&0\\0&1\end{array}\right]
x<2 \text{ or } x>5 == (-\infty,2)\cup(5,\infty)
# stated
204 == First \boxed{7}, no: \boxed{204}
204 == \[ \boxed{204} \]
204 == The answer is **204**.
204 == ### Final Answer / 204
204 == ANSWER: 204
204 == So the answer is $x = 204$.
204 == Therefore, there are 204 ways.
204 == The answer is 204, not 205.
204 == The answer is 205. Wait, the answer is 204.
204 == The final answer is 204. I hope it is correct.
204 == Therefore the value of $x$ is $204$.
204 == It takes her 204 minutes.
204 == I think it's 204.
204 == #### 204
204 == <answer>204</answer>
7 == The sum of 3 and 4 is 7.
7 == So the answer is: / \[ / 7 / \]
-4 == the minimum value is $-4$, attained at $x=2$.
1, 2 == The solutions are x = 1 and x = 2.
x^2+1 == The polynomial is x^2 + 1.
6 == The answer is not 5 but 6.
6 == The answer isn't 5, but 6.
6 == The answer is not 5. It is 6.
6 == Final Answer: The final answer is 6.
6 == Therefore 6.
6 == I think 6.
6 == 6 red marbles
6 == Total cost: \$6
6 == 6 apples are left.
6 == She sold 6 clips in total.
6 == This simplifies to 6.
6 == We get 6.
6 == So the answer would be 6.
6 == If n is even, the answer is 6.
6 == Suppose the answer is 3. This is a contradiction. So the answer is 6.
6 == Let x = 3. Then 2x = 6.
6 == Question 5: the answer is 6.
6 == The answer is 6, since there is no solution for 7.
6 == The remainder is 6 when divided by 7.
7 == f(2) = 7
18 == The answer is 18 because 3*6=18.
16\pi == The volume is $16\pi$ cubic units.
"""

DIFFERENT = r"""
# exact where both are exact
\frac{1}{2^{99}} == \frac{1}{2^{98}}
\frac{\pi}{2^{998}} == \frac{\pi}{2^{999}}
0.0000001 == 0.0000004
(0.0000001, 1) == (0.0000004, 1)
1e-9 == 1e-10
10^{50} == 10^{50}+1
2^{100} == 2^{100}+1
0 == \frac{1}{10^{100}}
1 == 0.9999999
100000 == 99999.9999
e^{\pi\sqrt{163}} == 262537412640768744
\pi == \frac{355}{113}
# a decimal is not the number that it is near to
\frac13 == 0.333333
\frac13 == 0.33
\sqrt2 == 1.414214
e == 2.718281828
0.5 == 6/13
0.1234567 == 0.1234568
# what the library leaves out, adds up or takes for letters
204_5 == 204_6
10_2 == 10
16 == \boxed{16_7}
4 == 4\sqrt(2)
f(x)=0 == \forall x>0, f(x)=0
5 == \exists x, x=5
10 == 1,2,\ldots,10
1\pmod 7 == 1\pmod 3
357 == 12 345
3/2 == 2 1/2
12 == 1 2
3 == 1 2
12 == 12,345
3m == 3
2s == 2t
2 == 2t
listen == silent
0 == all real numbers except 0
5 == x \ne 5
16 == \boxed{>16}
16 == \boxed{16!}
120 == 5
7 == 7 million
7 == 7\text{ dozen}
0.25 == 0.25\%
50\% == 5000\%
# other values
|x| == x
x == \sqrt{x^2}
\frac{1}{n} == \frac{1}{\sqrt{n^2}}
x_1 == x_2
(1,2) == [1,2]
x>3 == x \ge 3
\{1,2\} == \{1,2,3\}
\begin{pmatrix}1\\2\end{pmatrix} == \begin{pmatrix}2\\1\end{pmatrix}
\text{Tuesday} == Monday
5:30 == 5:31
\$36 == \$63
# implied products are no sums
5 == \boxed{2(3)}
5 == 2(3)
5 == \boxed{(2)(3)}
5 == \boxed{2[3]}
6 == \boxed{4(2)}
6 == \boxed{2(3)+1}
9 == (2)(3)(4)
\frac{5}{2} == \boxed{2(\frac12)}
8 == \boxed{2\binom{4}{2}}
3 == \boxed{2e^0}
1 == \boxed{2\frac{1}{2}}
3 == \boxed{f(3)}
# no answer, or two
5 == The value is 5 when n is odd and 6 otherwise.
5 == The answer is 5 or the answer is 6.
42 == The number 42 is not the answer.
3 == It is 3, or it is 4.
4 == It is 3, or it is 4.
5 == First \boxed{5} and then \boxed{7
7 == \boxed{7
204 == The answer is not 204.
204 == The answer isn't 204.
204 == The answer is either 203 or 204.
204 == The answer could be 203, or it could be 204.
204 == The answer is 204 or maybe 203
204 == I got 203, maybe 204.
204 == I considered 204 and 203.
204 == Possible answers are 203, 204.
204 == The answer is neither 203 nor 204.
204 == \boxed{203\text{ or }204}
204 == \boxed{\text{not } 204}
204 == 204 is wrong.
204 == Not 204
204 == at least 204
204 == It is less than 204.
204 == Between 204 and 206
204 == It would be 204 if x were 2, but it is 203.
204 == 204? No.
204 == The answer might be 204. Or it might be 205.
204 == It is 204, maybe 205.
204 == There are 204 cases and 8 subcases.
204 == No solution except 204.
204 == I don't know
"""

UNSTATED = """
# a number that only names something
5 == Question 5 has no answer.
5 == Problem 5 is unsolvable.
7 == There is no solution for 7.
2024 == This is from AMC 2024.
2019 == Source: AIME 2019 Problem.
1 == Step 1
3 == By Lemma 3, this follows.
9 == The answer to question 9 is unknown.
9 == The answer is on page 9.
10 == This problem has 10 parts.
# supposed, tried or asked
7 == If it were 7, we would be done.
42 == It would be 42 if n were even.
6 == The answer would be 6 if n were odd.
7 == Let n be 7.
7 == Consider the case x = 7.
4 == Let us check n = 4.
9 == For x = 9 the claim is open.
2 == Given that x = 2, find y.
5 == I wonder whether it is 5.
5 == Could it be 5?
3 == If the answer is 3, then x is negative.
3 == Suppose the answer is 3. This is a contradiction.
3 == The answer is 3? That would be absurd.
# about the writer
2 == I need 2 more hints.
3 == I am stuck on step 3.
12 == I tried 12 cases and gave up.
"""


def pairs(table: str) -> list[tuple[str, str]]:
    """(right answer, answer) of each line; ` / ` in an answer stands for a blank line."""
    rows = [line.partition(" == ") for line in table.splitlines() if line and not line.startswith("# ")]
    return [(gold, answer.replace(" / ", "\n\n")) for gold, _, answer in rows]
